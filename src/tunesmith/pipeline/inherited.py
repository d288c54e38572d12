"""What of a bundle's own recipe holds when it learns on: what was set for it, and not what was decided by itself."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from tunesmith.bundle.read import Bundle
from tunesmith.core.contracts import Method
from tunesmith.core.errors import RecipeError
from tunesmith.core.recipe import Recipe
from tunesmith.core.registry import family
from tunesmith.evaluation.gate import parse_gate
from tunesmith.pipeline.plan import figures
from tunesmith.training.settings import decided

KEPT = ("seed", "precision", "device", "threads", "trackers", "checkpoint_seconds")
"""Training settings that hold for any method."""
LEFT = {"strategies", "max_steps"}
"""Training settings of the one run that made the bundle."""
PRIVATE = "dp_sgd"
STEP = ("batch_size", "accumulate")
"""Rows of a step: one of these alone says nothing."""
DECIDED = (
    ("epochs",), STEP, ("learning_rate",), ("head_learning_rate",), ("weight_decay",), ("layer_decay",), ("warmup",)
)  # fmt: skip
"""Training settings that are decided where a recipe is silent; some together."""


def of_any_method(parent: Bundle) -> dict[str, Any]:
    """The settings that say nothing of how a method learns."""
    return parent.recipe.training.model_dump(include=set(KEPT))


def training(parent: Bundle, method: str, given: Collection[str]) -> dict[str, Any]:
    """A bundle's training block for the next run.

    A bundle's recipe has every value decided, and does not say which were set. Those that would be decided so again
    are left to be decided: they are a method's own, and the number of epochs is one for so many rows.

    Args:
        method: the next run's; another one than the bundle's has rates of its own.
        given: names of settings that the user sets anew; a head's rate follows a new learning rate, and a new batch
            size is that of a step.
    """
    if method != parent.manifest.method.name:
        return of_any_method(parent)
    left = LEFT | decided_by_itself(parent)
    left |= {follows for name, follows in (("learning_rate", "head_learning_rate"), STEP) if name in given}
    return parent.recipe.training.model_dump(exclude=left)


def decided_by_itself(parent: Bundle) -> set[str]:
    """Names of the settings that are as they would be decided: nobody need have set them."""
    block = parent.recipe.training
    record = parent.manifest.method
    method: Method = family("methods").make(record.name, record.options)
    known: Any = family("strategies")  # what they say of training is their classes'
    strategies = [known.load(one.name) for one in block.strategies if one.name in known]
    rows = parent.report.get("context", {}).get("rows", {}).get("train")

    def again(names: Sequence[str]) -> bool:
        silent = block.model_copy(update=dict.fromkeys(names))
        found = decided(silent, method, parent.task, strategies, rows)
        return all(getattr(found, name) == getattr(block, name) for name in names)

    return {name for names in DECIDED if again(names) for name in names}


def evaluation(parent: Bundle, columns: Collection[str]) -> dict[str, Any]:
    """A bundle's evaluation block for the next run, but for what of its gate cannot hold there: see ``holding``.

    Args:
        columns: roles of the next run's data.
    """
    return {**parent.recipe.evaluation.model_dump(), "gate": holding(parent, columns)}


def holding(parent: Bundle, columns: Collection[str]) -> dict[str, str]:
    """The conditions of its gate that can hold when it learns on.

    What a strategy was measured by, or groups that the new rows do not name, is not measured again; and the model
    before is the bundle itself, not one that was not tuned.
    """
    block = parent.recipe.evaluation
    known = figures(parent.task, columns, [check.name for check in block.checks], before=block.baselines)
    return {
        condition.name: condition.text
        for condition in parse_gate(block.gate)
        if condition.name in known and not {"before", "baseline"} & set(condition.words)
    }


def unheld(parent: Bundle, names: Collection[str]) -> list[str]:
    """What of its gate nothing is held to, as a note; none where all is.

    Args:
        names: of the conditions that hold.
    """
    left = [f"{name} {text}" for name, text in parent.recipe.evaluation.gate.items() if name not in names]
    return [f"Of the gate of {parent.path} this is not held here: {', '.join(left)}."] if left else []


def left_out(parent: Bundle, recipe: Recipe) -> list[str]:
    """What of a bundle's recipe the next one does not have, as a note; none where it has all."""
    was = parent.recipe
    kept = {block.name for block in recipe.training.strategies}
    strategies = [block.name for block in was.training.strategies if block.name not in kept]
    lines = [f"{name} {text}" for name, text in was.evaluation.gate.items() if name not in recipe.evaluation.gate]
    added = [] if recipe.data.augment else [block.name for block in was.data.augment]
    found = [
        f"{what} {', '.join(names)}"
        for what, names in (("strategies:", strategies), ("of the gate:", lines), ("data.augment:", added))
        if names
    ]
    if not found:
        return []
    return [f"What {parent.path} was tuned with and did not learn on with: {'; '.join(found)}."]


def private(recipe: Recipe) -> bool:
    """Whether its training guards each row."""
    return any(block.name == PRIVATE for block in recipe.training.strategies)


def refuse_less_private(parent: Bundle, recipe: Recipe) -> None:
    """Raise RecipeError where a bundle that guards its rows would learn on without guarding any."""
    if private(parent.recipe) and not private(recipe):
        raise RecipeError(
            f"{parent.path} was tuned with {PRIVATE}, and what it learns without it can be found out.",
            f"Give the strategy: training.strategies=[{PRIVATE}], with the epsilon that may be spent.",
        )


def refuse_reading_again(parent: Bundle) -> None:
    """Raise RecipeError where training rows that a bundle guards would choose, fit or train what is made of it."""
    if private(parent.recipe):
        raise RecipeError(
            f"{parent.path} was tuned with {PRIVATE}, and a cut is chosen, fitted and trained by the same rows without "
            "it: they could be found out.",
            f"Shrink it without a cut, or tune a smaller model with {PRIVATE}.",
        )
