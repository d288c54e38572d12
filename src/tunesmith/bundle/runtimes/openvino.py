"""Compute with OpenVINO: the fastest for bf16 on CPUs that have its instructions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tunesmith.bundle.runtimes.graph import GraphRuntime, fed, floats, threads, unreadable
from tunesmith.core.contracts import Batch
from tunesmith.core.errors import RecipeError
from tunesmith.core.extras import need

if TYPE_CHECKING:
    import numpy as np

WEIGHTS_SUFFIX = ".weights"
"""Of the file beside an .xml graph. OpenVINO's own, .bin, is refused in a bundle: such files may hold pickles."""
PRECISIONS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}


def hint(precision: str, can: Sequence[str]) -> str:
    """What OpenVINO computes in where the graph does not say.

    >>> hint("int8", ["FP32", "INT8", "BF16"]), hint("int8", ["FP32", "INT8"])
    ('bf16', 'f32')
    """
    if precision == "int8":  # sums and softmaxes of long texts weigh as much as the products: up to 8% of the time
        return "bf16" if "BF16" in can else "f32"
    return PRECISIONS.get(precision, "f32")


class OpenVinoRuntime(GraphRuntime):
    """A graph as a runtime: batches in, arrays out.

    Args:
        graph: an .onnx or .xml file.
        precision: "fp32", or "bf16" where the processor has it (else OpenVINO computes in fp32). "int8": the graph
            says which products are; the rest is computed in bf16 where the processor has it.

    Raises:
        ExtraMissing: openvino is not installed.
        BundleError: it cannot read the graph.
    """

    name: ClassVar[str] = "openvino"
    summary: ClassVar[str] = "OpenVINO: bf16 and int8 on Intel and AMD CPUs"

    def __init__(self, graph: Path, precision: str = "fp32", device: str = "auto") -> None:
        openvino: Any = need("openvino", extra="openvino", purpose="the runtime openvino")
        if device.startswith(("cuda", "mps")):
            raise RecipeError(
                f"The runtime openvino does not compute on {device}.", 'Take the CPU: predictor(device="cpu").'
            )
        try:
            core = openvino.Core()
            options = {
                "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_NUM_THREADS": threads(),
                "INFERENCE_PRECISION_HINT": hint(precision, core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")),
            }
            weights = graph.with_suffix(WEIGHTS_SUFFIX)
            beside = {"weights": str(weights)} if weights.is_file() else {}
            compiled = core.compile_model(core.read_model(str(graph), **beside), "CPU", options)
        except Exception as error:
            raise unreadable(f"OpenVINO {openvino.__version__}", graph, error) from error
        self.request = compiled.create_infer_request()
        self.inputs = [one.get_any_name() for one in compiled.inputs]
        self.outputs = {one.get_any_name(): one for one in compiled.outputs}

    def forward(self, batch: Batch) -> dict[str, np.ndarray]:
        """Every output by name, float32; ``logits`` is [features, ...]."""
        found = self.request.infer(fed(batch, self.inputs))
        return floats({name: found[port].copy() for name, port in self.outputs.items()})
