"""Make a model smaller or faster.

``FORMS``: what a model's graph can be turned into, each for a runtime. ``WRITER_FORMS``: the same for causal models,
whose graphs keep what they have read.
"""

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
WRITER_FORMS = Registry(
    "writer form",
    {
        "onnx": "tunesmith.compression.writer_forms:Onnx",
        "int8": "tunesmith.compression.writer_forms:Int8",
        "int4-mixed": "tunesmith.compression.writer_forms:Int4Mixed",
        "int4": "tunesmith.compression.writer_forms:Int4",
    },
)
