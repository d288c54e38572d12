"""The encoder that a recipe names for a modality, on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tunesmith.core.errors import ModelError
from tunesmith.models.folder import read_json
from tunesmith.models.reference import ModelReference, resolve

_TEXTS = ("bert", "roberta", "xlm-roberta", "distilbert", "electra", "gpt2", "llama", "t5")


def find(name: str, modality: str) -> ModelReference:
    """The model of that name; nothing of it is loaded.

    Raises:
        ModelError: it cannot be had, or reads texts.
    """
    found = resolve(name)
    kind = read_json(Path(found.path) / "config.json").get("model_type")
    if kind in _TEXTS:
        raise ModelError(
            f'task.{modality} is "{name}", which reads texts ({kind}).',
            "Take an encoder of that modality: " + ("efficientnet-lite0" if modality == "image" else "whisper-base"),
        )
    return found


def described(found: ModelReference) -> dict[str, Any]:
    """What a bundle remembers of it."""
    return {
        "name": found.name,
        "hub_id": found.hub_id,
        "revision": found.revision,
        "licence": found.licence,
        "content_hash": found.content_hash,
    }
