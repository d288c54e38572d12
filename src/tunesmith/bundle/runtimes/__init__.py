"""What computes a bundle. A runtime has ``open(bundle, device=, precision=)`` and fits ``core.contracts.Runtime``."""

from tunesmith.core.registry import Registry

RUNTIMES = Registry(
    "runtime",
    {
        "torch": "tunesmith.bundle.runtimes.torch:TorchRuntime",
        "onnx": "tunesmith.bundle.runtimes.onnx:OnnxRuntime",
        "openvino": "tunesmith.bundle.runtimes.openvino:OpenVinoRuntime",
        "vllm": "tunesmith.bundle.runtimes.vllm:VllmRuntime",
    },
)
