"""Configurations of our own kinds of models, so that ``AutoConfig`` reads their folders."""

from __future__ import annotations

from functools import cache
from typing import Any

from transformers import AutoConfig, PretrainedConfig


class MultimodalConfig(PretrainedConfig):  # type: ignore[no-untyped-call]
    """Encoders of several modalities under one head; see ``models/multimodal.py``."""

    model_type = "tunesmith-multimodal"

    def __init__(self, multimodal: dict[str, Any] | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.multimodal = multimodal or {"encoders": {}}
        self.pad_token_id = 0  # none of its own: its tokenizer knows


class EfficientNetLiteConfig(PretrainedConfig):  # type: ignore[no-untyped-call]
    """Read by ``models/encoders/efficientnet_lite.py``."""

    model_type = "tunesmith-efficientnet-lite"


class Ge2eConfig(PretrainedConfig):  # type: ignore[no-untyped-call]
    """Read by ``models/encoders/ge2e.py``."""

    model_type = "tunesmith-ge2e"


@cache
def register() -> None:
    """Tell transformers of them, once."""
    for kind in (MultimodalConfig, EfficientNetLiteConfig, Ge2eConfig):
        AutoConfig.register(kind.model_type, kind, exist_ok=True)
