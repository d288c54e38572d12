"""The rows that a run trains on: the user's, and those that ``data.augment`` adds to them.

Baselines, class counts and everything else that is told of the data are of the user's own rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tunesmith.core.contracts import Row
from tunesmith.core.errors import RecipeError
from tunesmith.core.recipe import DataBlock, PluginBlock
from tunesmith.core.registry import family
from tunesmith.data.augment.apply import augmented
from tunesmith.data.prepare import Prepared
from tunesmith.data.shapes.settle import shape_of
from tunesmith.pipeline.translators import BundleTranslator

if TYPE_CHECKING:
    from tunesmith.pipeline.plan import Plan


def check_augmentations(block: DataBlock, data: Prepared) -> None:
    """Refuse what cannot be done, before anything is loaded: where positions in a text matter, it stays as it is.

    Raises:
        RecipeError: which augmentation, and why.
    """
    if block.parts and block.augment:
        raise RecipeError(
            "data.augment stands beside data.parts.", "Give it to a part: data.parts.NAME.augment=[typos]"
        )
    for name, part in block.parts.items():
        check_augmentations(part, data.parts[name])
    for augmentation in _made(block.augment):
        shape = shape_of(data.task)
        if (shape is not None and shape.keeps_text) or "text" not in data.train[0]:
            raise RecipeError(
                f'data.augment: "{augmentation.name}" would change texts of {data.task}, in which positions matter.',
                "Leave data.augment out: it is for classes, numbers and vectors of a text.",
            )
        augmentation.try_out(_draw())


def training_rows(plan: Plan) -> list[Row]:
    """The plan's training rows with those that are added; the notes of the data say how many."""
    block, data = plan.recipe.data, plan.data
    if not block.parts:
        return _with_more(data.train, block.augment, plan.recipe.training.seed, data.notes)
    return [
        row
        for name, part in block.parts.items()
        for row in _with_more(
            [row for row in data.train if row["part"] == name], part.augment, plan.recipe.training.seed, data.notes
        )
    ]


def _with_more(rows: Sequence[Row], blocks: Sequence[PluginBlock], seed: int, notes: list[str]) -> list[Row]:
    found, told = augmented(rows, _made(blocks), seed=seed)
    notes += told
    return found


def _made(blocks: Sequence[PluginBlock]) -> list[Any]:
    made = [family("augmentations").make(block.name, block.options) for block in blocks]
    for augmentation in made:
        augmentation.bind(BundleTranslator)
    return made


def _draw() -> Any:
    import random

    return random.Random(0)
