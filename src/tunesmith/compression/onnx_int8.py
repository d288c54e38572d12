"""The products of an ONNX graph in int8, by ONNX Runtime's own tools."""

from __future__ import annotations

import logging
from collections.abc import Collection
from pathlib import Path
from typing import Any

from tunesmith.compression.onnx_files import data_of, is_large, remove, save
from tunesmith.core.extras import need

BLOCK = 32
"""Numbers of a column of weights that share a scale: finer is truer, and slower."""


def dynamic(source: Path, target: Path, keep: Collection[str] = ()) -> None:
    """Weights in int8 with a scale a column; what is multiplied with them is brought to int8 as it comes, all at once.

    The fastest form. An activation far larger than the others costs those their precision.

    Args:
        source: an .onnx file in fp32.
        target: the file to write.
        keep: names of nodes that stay as they are.
    """
    need("onnxruntime", extra="shrink", purpose="int8")
    from onnxruntime.quantization import QuantType, quantize_dynamic

    bare = _bare(source, target)
    with _calm():
        data_of(target).unlink(missing_ok=True)
        quantize_dynamic(
            str(bare),
            str(target),
            per_channel=True,
            op_types_to_quantize=["MatMul", "Gemm"],
            weight_type=QuantType.QInt8,
            nodes_to_exclude=list(keep),
            use_external_data_format=data_of(bare).is_file(),
            extra_options={"MatMulConstBOnly": True},
        )
    remove(bare)


def blocks(source: Path, target: Path, bits: int = 8) -> None:
    """Weights in ``bits`` with a scale for each ``BLOCK`` numbers; activations likewise, row by row.

    Truer than ``dynamic``, as no row and no column spoils another's scale, and slower for large batches.
    """
    need("onnxruntime", extra="shrink", purpose="int8")
    import onnx
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    model = onnx.load(str(source))
    del model.graph.value_info[:]
    with _calm():
        made: Any = MatMulNBitsQuantizer(model, bits=bits, block_size=BLOCK, is_symmetric=True, accuracy_level=4)
        made.process()
    data_of(target).unlink(missing_ok=True)  # it would be written behind what is there
    made.model.save_model_to_file(str(target), is_large(made.model.model))


def _bare(source: Path, target: Path) -> Path:
    """A copy without the shapes that the exporter wrote down: the quantizer's own do not always agree with them."""
    import onnx

    model = onnx.load(str(source))
    del model.graph.value_info[:]
    bare = target.with_suffix(".bare.onnx")
    save(model, bare)
    return bare


class _calm:  # noqa: N801 - a context manager
    """Without advice to preprocess, which is done."""

    def __enter__(self) -> None:
        self.level = logging.root.level
        logging.root.setLevel(logging.ERROR)

    def __exit__(self, *_: object) -> None:
        logging.root.setLevel(self.level)
