"""Compute with ONNX Runtime: a graph instead of a model, without torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tunesmith.bundle.predictor import MANY_TOKENS
from tunesmith.bundle.runtimes.graph import GraphRuntime, fed, floats, threads, unreadable
from tunesmith.core.contracts import Batch
from tunesmith.core.errors import RecipeError
from tunesmith.core.extras import need

if TYPE_CHECKING:
    import numpy as np


class OnnxRuntime(GraphRuntime):
    """An ONNX graph as a runtime: batches in, arrays out.

    Args:
        graph: the .onnx file.
        precision: is the graph's own, whatever is given.
        device: "cuda" where ONNX Runtime has it, else "cpu"; "auto" takes what is there.

    Raises:
        ExtraMissing: onnxruntime is not installed.
        BundleError: it cannot read the graph.
    """

    name: ClassVar[str] = "onnx"
    summary: ClassVar[str] = "ONNX Runtime: the graph of a shrunk bundle, fast on CPUs"

    def __init__(self, graph: Path, precision: str = "fp32", device: str = "auto") -> None:
        onnxruntime: Any = need("onnxruntime", extra="onnx", purpose="the runtime onnx")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads()
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        providers = _providers(onnxruntime, device)
        try:
            self.session = onnxruntime.InferenceSession(str(graph), options, providers=providers)
        except Exception as error:  # its errors have no common class but Exception
            raise unreadable(f"ONNX Runtime {onnxruntime.__version__}", graph, error) from error
        if self.session.get_providers()[0] != "CPUExecutionProvider":
            self.together = MANY_TOKENS
        self.inputs = [one.name for one in self.session.get_inputs()]
        self.outputs = [one.name for one in self.session.get_outputs()]

    def forward(self, batch: Batch) -> dict[str, np.ndarray]:
        """Every output by name, float32; ``logits`` is [features, ...]."""
        found = self.session.run(self.outputs, fed(batch, self.inputs))
        return floats(dict(zip(self.outputs, found, strict=True)))


def _providers(onnxruntime: Any, device: str) -> list[str]:
    there = onnxruntime.get_available_providers()
    wanted = ["CUDAExecutionProvider"] if device.startswith("cuda") or device == "auto" else []
    if device.startswith("cuda") and wanted[0] not in there:
        raise RecipeError(
            "This installation of ONNX Runtime computes on no GPU.",
            "Run: pip install onnxruntime-gpu, or take --device cpu.",
        )
    return [*(name for name in wanted if name in there), "CPUExecutionProvider"]
