"""Make a model smaller or faster. ``FORMS``: what a model's graph can be turned into, each for a runtime."""

from tunesmith.core.registry import Registry

FORMS = Registry(
    "form",
    {
        "onnx": "tunesmith.compression.forms:Onnx",
        "int8": "tunesmith.compression.forms:Int8",
        "int8-block": "tunesmith.compression.forms:Int8Block",
        "openvino": "tunesmith.compression.forms:OpenVino",
        "openvino-bf16": "tunesmith.compression.forms:OpenVinoBf16",
        "openvino-int8": "tunesmith.compression.forms:OpenVinoInt8",
    },
)
