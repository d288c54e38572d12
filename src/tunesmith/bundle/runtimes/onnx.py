"""Compute with ONNX Runtime: a graph instead of a model, without torch."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tunesmith.bundle.predictor import MANY_TOKENS
from tunesmith.bundle.runtimes.graph import GraphRuntime, fed, floats, threads, unreadable
from tunesmith.core.contracts import Batch
from tunesmith.core.errors import RecipeError, TunesmithError
from tunesmith.core.extras import need
from tunesmith.core.runtime import vnni

if TYPE_CHECKING:
    import numpy as np

    from tunesmith.bundle.layout import RuntimeRecord
    from tunesmith.bundle.read import Bundle

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


class OnnxRuntime(GraphRuntime):
    """An ONNX graph as a runtime: batches in, arrays out.

    Args:
        graph: the .onnx file.
        precision: is the graph's own, whatever is given.
        device: "cpu", "cuda" or "cuda:1"; "auto" takes a GPU where ONNX Runtime has one.

    Raises:
        ExtraMissing: onnxruntime is not installed.
        RecipeError: it does not compute on the device.
        BundleError: it cannot read the graph.
    """

    name: ClassVar[str] = "onnx"
    summary: ClassVar[str] = "ONNX Runtime: the graph of a shrunk bundle, fast on CPUs"

    def __init__(self, graph: Path, precision: str = "fp32", device: str = "auto") -> None:
        self.session = session_of(graph, device)
        if self.session.get_providers()[0] != CPU:
            self.together = MANY_TOKENS
        self.inputs = [one.name for one in self.session.get_inputs()]
        self.outputs = [one.name for one in self.session.get_outputs()]

    @classmethod
    def open(cls, bundle: Bundle, *, device: str = "auto", precision: str = "fp32") -> Any:
        """The graph of a bundle; one that writes has a runtime of its own."""
        if told := may_saturate(bundle.path, bundle.manifest.runtime):
            warnings.warn(told, stacklevel=2)
        if not getattr(bundle.task, "causal", False):
            return super().open(bundle, device=device, precision=precision)
        from tunesmith.bundle.runtimes.onnx_writer import OnnxWriter

        return OnnxWriter.open(bundle, device=device, precision=precision)

    def forward(self, batch: Batch) -> dict[str, np.ndarray]:
        """Every output by name, float32; ``logits`` is [features, ...]."""
        found = self.session.run(self.outputs, fed(batch, self.inputs))
        return floats(dict(zip(self.outputs, found, strict=True)))


def may_saturate(path: Path, record: RuntimeRecord) -> str | None:
    """That a bundle in int8 may answer otherwise on this processor than where it was proven; None where it may not."""
    if record.precision != "int8" or record.vnni is False or vnni() is not False:
        return None
    return (
        f"{path} is in int8, and this processor has no VNNI: large sums may be cut off, and answers be others than "
        f"where it was proven. Measure it here (tunesmith evaluate {path} FILE), or shrink it here again."
    )


def session_of(graph: Path, device: str = "auto", *, shared: bool = False) -> Any:
    """A graph, opened.

    Args:
        graph: the .onnx file.
        device: "cpu", "cuda" or "cuda:1"; "auto" takes a GPU where ONNX Runtime has one.
        shared: whether threads that wait give the processor up. Many short runs, as in writing, are quicker without on
            a machine with nothing else to do, and several times slower on a busy one.

    Raises:
        ExtraMissing: onnxruntime is not installed.
        RecipeError: it does not compute on the device.
        BundleError: it cannot read the graph.
    """
    onnxruntime: Any = need("onnxruntime", extra="onnx", purpose="the runtime onnx")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads()
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    if shared:
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(str(graph), options, providers=_providers(onnxruntime, device))
    except TunesmithError:
        raise
    except Exception as error:  # its errors have no common class but Exception
        raise unreadable(f"ONNX Runtime {onnxruntime.__version__}", graph, error) from error


def _providers(onnxruntime: Any, device: str) -> list[Any]:
    there = onnxruntime.get_available_providers()
    kind, _, number = device.partition(":")
    if kind not in ("auto", "cpu", "cuda") or (number and not (kind == "cuda" and number.isdigit())):
        raise RecipeError(f"The runtime onnx does not compute on {device}.", 'Take the CPU: predictor(device="cpu").')
    if kind == "cpu" or (kind == "auto" and CUDA not in there):
        return [CPU]
    if CUDA not in there:
        raise RecipeError(
            "This installation of ONNX Runtime computes on no GPU.",
            'Run: pip install onnxruntime-gpu, or take the CPU: predictor(device="cpu").',
        )
    return [(CUDA, {"device_id": int(number)}) if number else CUDA, CPU]
