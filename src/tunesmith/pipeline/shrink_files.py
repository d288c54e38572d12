"""What reads files beside texts has no form yet."""

from __future__ import annotations

from tunesmith.bundle.read import Bundle
from tunesmith.core.errors import RecipeError

WORDS = {"image": "pictures", "audio": "sounds"}


def refuse_files(parent: Bundle) -> None:
    """Raise RecipeError where a bundle's rows have pictures or sounds; before anything is made."""
    read = [WORDS.get(name, name) for name in getattr(parent.task, "takes", {})]
    if read:
        raise RecipeError(
            f"{parent.path} reads {' and '.join(read)}: graphs and cuts are made of models that read texts alone.",
            "Keep it in torch; for less, tune it with a smaller encoder (docs/tasks/multimodal.md).",
        )
