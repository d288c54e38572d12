"""Can the model's confidence be believed?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from tunesmith.core.artefacts import Figure
from tunesmith.core.contracts import Check, CheckResult, PredictorLike, Row, Task
from tunesmith.evaluation.bootstrap import figures
from tunesmith.evaluation.evaluate import evaluate
from tunesmith.evaluation.tables import reliability
from tunesmith.evaluation.words import number


class Calibration(Check):
    """Expected calibration error with its interval, and the bins that are furthest off.

    Args:
        limit: the largest error that still counts as well calibrated.
        resamples: of the bootstrap.
        confidence: of the interval.
        seed: of the bootstrap.
    """

    name = "calibration"
    summary = "whether the model is as often right as it is sure (expected calibration error)"

    def __init__(
        self,
        limit: Annotated[float, Field(gt=0, lt=1)] = 0.05,
        resamples: Annotated[int, Field(ge=100)] = 1000,
        confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95,
        seed: int = 13,
    ) -> None:
        self.limit = limit
        self.resamples = resamples
        self.confidence = confidence
        self.seed = seed

    def fits(self, task: Task) -> str | None:
        """It needs decisions with a probability."""
        told = task.response_model().model_fields
        if task.decides and ("score" in told or "scores" in told):
            return None
        return f"{task.name} tells no probability of its answers."

    def check(self, predictor: PredictorLike, rows: Sequence[Row]) -> CheckResult:
        """Predict ``rows`` and hold confidence against correctness.

        Raises:
            DataError: there are no rows.
            RecipeError: the task gives no probabilities.
        """
        evidence = evaluate(predictor, rows, metrics=[], resamples=self.resamples).evidence
        figure = figures(evidence, ["ece"], resamples=self.resamples, confidence=self.confidence, seed=self.seed)["ece"]
        bins = reliability(evidence) or []
        worst = sorted(bins, key=lambda b: -abs(b["confidence"] - b["accuracy"]) * b["count"])[:3]
        verdict = verdict_of(figure, bins, self.limit)
        return CheckResult("calibration", figure.value, figure.low, figure.high, verdict, worst, {"bins": bins})


def verdict_of(figure: Figure, bins: Sequence[dict[str, Any]], limit: float) -> str:
    """Well calibrated, over-confident or under-confident, and by how much."""
    total = sum(b["count"] for b in bins) or 1
    gap = sum((b["confidence"] - b["accuracy"]) * b["count"] for b in bins) / total
    error = f"confidence is {number(figure.value)} off on average ({number(figure.low)} to {number(figure.high)})"
    if figure.high <= limit:
        return f"Well calibrated: {error}."
    if figure.low <= limit:
        return f"Not clearly well or badly calibrated: {error}, and the limit is {number(limit)}."
    direction = "Over-confident" if gap > 0 else "Under-confident"
    return f"{direction}: {error}, above the limit of {number(limit)}."
