"""What of a bundle's own recipe holds when it learns on: what was set for it, and not what was decided by itself."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from tunesmith.bundle.read import Bundle
from tunesmith.core.contracts import Method
from tunesmith.core.registry import family
from tunesmith.training.settings import decided

KEPT = ("seed", "precision", "device", "threads", "trackers", "checkpoint_seconds")
"""Training settings that hold for any method."""
LEFT = {"strategies", "max_steps"}
"""Training settings of the one run that made the bundle."""
DECIDED = ("epochs", "batch_size", "learning_rate", "head_learning_rate", "weight_decay", "layer_decay", "warmup")
"""Training settings that are decided where a recipe is silent."""


def of_any_method(parent: Bundle) -> dict[str, Any]:
    """The settings that say nothing of how a method learns."""
    return parent.recipe.training.model_dump(include=set(KEPT))


def training(parent: Bundle, method: str, given: Collection[str]) -> dict[str, Any]:
    """A bundle's training block for the next run.

    A bundle's recipe has every value decided, and does not say which were set. Those that would be decided so again
    are left to be decided: they are a method's own, and the number of epochs is one for so many rows.

    Args:
        method: the next run's; another one than the bundle's has rates of its own.
        given: names of settings that the user sets anew; a head's rate follows a new learning rate.
    """
    if method != parent.manifest.method.name:
        return of_any_method(parent)
    left = LEFT | decided_by_itself(parent) | ({"head_learning_rate"} if "learning_rate" in given else set())
    return parent.recipe.training.model_dump(exclude=left)


def decided_by_itself(parent: Bundle) -> set[str]:
    """Names of the settings that are as they would be decided: nobody need have set them."""
    block = parent.recipe.training
    record = parent.manifest.method
    method: Method = family("methods").make(record.name, record.options)
    known: Any = family("strategies")  # what they say of training is their classes'
    strategies = [known.load(one.name) for one in block.strategies if one.name in known]
    rows = parent.report.get("context", {}).get("rows", {}).get("train")

    def again(name: str) -> Any:
        silent = block.model_copy(update={name: None})
        return getattr(decided(silent, method, parent.task, strategies, rows), name)

    return {name for name in DECIDED if again(name) == getattr(block, name)}
