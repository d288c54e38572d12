"""What is trainable. One file a method."""

from tunesmith.core.registry import Registry

METHODS = Registry(
    "method",
    {
        "full": "tunesmith.methods.full:Full",
        "head": "tunesmith.methods.head:Head",
        "freeze": "tunesmith.methods.freeze:Freeze",
        "lora": "tunesmith.methods.lora:Lora",
    },
)
