"""What has no form yet: what reads files beside texts, what asks for log-probabilities, what only pretrained."""

from __future__ import annotations

from tunesmith.bundle.read import Bundle
from tunesmith.core.errors import RecipeError
from tunesmith.core.registry import family
from tunesmith.tasks.prompted.likelihood import PromptedLikelihood

WORDS = {"image": "pictures", "audio": "sounds"}


def refuse_files(parent: Bundle) -> None:
    """Raise RecipeError where a bundle's rows have pictures or sounds; before anything is made."""
    read = [WORDS.get(name, name) for name in getattr(parent.task, "takes", {})]
    if read:
        raise RecipeError(
            f"{parent.path} reads {' and '.join(read)}: graphs and cuts are made of models that read texts alone.",
            "Keep it in torch; for less, tune it with a smaller encoder (docs/tasks/multimodal.md).",
        )


def refuse_formless(parent: Bundle) -> None:
    """Raise RecipeError where a bundle answers nothing, or by log-probabilities of words, which no graph here gives."""
    if parent.manifest.task.name in family("objectives"):
        raise RecipeError(
            f"{parent.path} was pretrained: it has no answers that a form could be held to.",
            f"Tune it, and shrink that: tunesmith tune YOUR_FILE model={parent.path}",
        )
    if isinstance(parent.task, PromptedLikelihood):
        raise RecipeError(
            f"{parent.path} answers by how likely words are: there is no form for that.",
            "Keep it in torch, or prompt by --way cloze, entailment or similarity.",
        )
