"""What is trainable. One file a method."""

from tunesmith.core.registry import Registry

METHODS = Registry(
    "method",
    {
        "full": "tunesmith.methods.full:Full",
        "head": "tunesmith.methods.head:Head",
        "freeze": "tunesmith.methods.freeze:Freeze",
        "bitfit": "tunesmith.methods.bitfit:BitFit",
        "adapter": "tunesmith.methods.adapter:Adapter",
        "lora": "tunesmith.methods.lora:Lora",
        "adalora": "tunesmith.methods.adalora:AdaLora",
        "qlora": "tunesmith.methods.qlora:QLora",
        "ia3": "tunesmith.methods.ia3:Ia3",
        "oft": "tunesmith.methods.oft:Oft",
        "prefix": "tunesmith.methods.prefix:Prefix",
        "prompt": "tunesmith.methods.prompt:Prompt",
        "p_tuning": "tunesmith.methods.p_tuning:PTuning",
    },
)
