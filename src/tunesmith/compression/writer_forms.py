"""What a causal model can be turned into: one small class a form, all for ONNX Runtime.

A form is made of the model's folder. What comes out is held to parity with the model by whoever asked for it.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from tunesmith.bundle.layout import CONFIG
from tunesmith.compression.builder import BUILDER, build
from tunesmith.compression.forms import Form
from tunesmith.core.errors import ModelError

HEAD = "lm_head.weight"
"""Stands in a model's file where its head is not its table of embeddings."""


class WriterForm(Form):
    """How a causal model's graph is written, its cache included."""

    runtime: ClassVar[str] = "onnx"
    packages: ClassVar[tuple[str, ...]] = ("onnxruntime", "onnx", BUILDER)
    options: ClassVar[Mapping[str, str]] = {}
    """The builder's."""

    def write(self, model: Path, folder: Path) -> None:
        """Write ``folder / file`` and its weights beside it.

        Args:
            model: a plain Hugging Face folder.
            folder: of the bundle to be.

        Raises:
            TunesmithError: the model cannot be built.
        """
        from tunesmith.compression.writer_graph import finish

        tied = one_table(model)
        options = {**self.options, "shared_embeddings": str(tied).lower()}
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as place:
            build(model, Path(place), self.precision, options)
            told = json.loads((Path(place) / "genai_config.json").read_text("utf-8"))
            size = int(told["model"]["decoder"]["head_size"])
            finish(Path(place) / "model.onnx", folder / self.file, tied=tied, exact=self.exact, size=size)


class Onnx(WriterForm):
    """Weights as they are."""

    name = "onnx"
    summary = "ONNX Runtime in fp32: the same numbers, quicker"
    precision = "fp32"
    exact = True


class Int8(WriterForm):
    """Weights in int8 with a scale for each 32 numbers, activations brought to int8 as they come."""

    name = "int8"
    summary = "ONNX Runtime, weights in 8 bits: a quarter of the size, nearly the same texts"
    precision = "int8"


class Int4Mixed(WriterForm):
    """Weights in int4; in int8 the head, the first and last layers, and of others what is known to suffer most."""

    name = "int4-mixed"
    summary = "ONNX Runtime, weights in 4 bits, the most delicate in 8: smaller than int8, truer than int4"
    precision = "int4"
    options = {"algo_config": "k_quant_mixed"}


class Int4(WriterForm):
    """Weights in int4 with a scale for each 32 numbers."""

    name = "int4"
    summary = "ONNX Runtime, weights in 4 bits: the smallest; for models of billions"
    precision = "int4"


def one_table(model: Path) -> bool:
    """Whether a model's head is its table of embeddings: as transformers sees it, which heeds the weights, too.

    Args:
        model: a plain Hugging Face folder.

    Raises:
        ModelError: its weights cannot be read.
    """
    from safetensors import SafetensorError, safe_open

    if not json.loads((model / CONFIG).read_text("utf-8")).get("tie_word_embeddings", False):
        return False
    for path in model.glob("*.safetensors"):
        try:
            with safe_open(path, framework="np") as file:
                if HEAD in file.keys():  # noqa: SIM118 - it is no mapping
                    return False
        except SafetensorError as error:
            raise ModelError(f"The weights {path} cannot be read: {error}.", "Get the model's folder again.") from error
    return True
