"""What a classifier's answers are worth, learned on the plan's validation rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tunesmith.bundle.predictor import Predictor
from tunesmith.core.contracts import Feature, Row
from tunesmith.core.errors import RecipeError
from tunesmith.pipeline.draw import drawn
from tunesmith.tasks.calibrated.calibrated import Wanted, words
from tunesmith.tasks.text_classification import TextClassification

if TYPE_CHECKING:
    from tunesmith.pipeline.plan import Plan

MOST = 20_000
"""Training rows whose tokens are counted."""


def calibrated(plan: Plan, predictor: Predictor, encode: Callable[[Sequence[Row]], list[Feature]]) -> None:
    """Learn it, and say so in the report's notes. ``plan.recipe.evaluation.calibrate`` is there."""
    asked = plan.recipe.evaluation.calibrate
    assert asked is not None and isinstance(plan.task, TextClassification)
    wanted = Wanted(**asked.model_dump())
    rows = plan.data.validation
    features = encode(rows)
    outputs = predictor.infer(features)
    trained = plan.task.encode(
        drawn(plan.data.train, MOST), predictor.processor, max_length=plan.max_length, targets=False
    )
    found = plan.task.calibrate(rows, outputs, features, trained, wanted)
    plan.data.notes.append(words(found, wanted, len(rows)))


def refuse_calibration(plan: Plan) -> None:
    """Raise RecipeError where it is asked for and cannot be had; before anything heavy."""
    if plan.recipe.evaluation.calibrate is None:
        return
    if not isinstance(plan.task, TextClassification):
        raise RecipeError(
            f"evaluation.calibrate: answers of {plan.task.name} cannot be calibrated, only those of "
            f"{TextClassification.name}.",
            "Leave it out.",
        )
    if not plan.data.validation:
        raise RecipeError(
            "evaluation.calibrate needs validation rows, and there are none.",
            "Set data.validation=FILE, or data.split.validation=0.1.",
        )
