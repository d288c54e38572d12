"""Ask a predictor about labelled rows, and put figures on its answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

from tunesmith.core.artefacts import Figure
from tunesmith.core.contracts import Evidence, Prediction, PredictorLike, Row
from tunesmith.core.errors import DataError
from tunesmith.evaluation.bootstrap import figures


@dataclass(frozen=True)
class Evaluation:
    """A predictor's answers on labelled rows, and what they are worth."""

    predictions: list[Prediction]
    evidence: Evidence
    figures: dict[str, Figure]
    seconds: float
    """Wall time of the prediction."""


def evaluate(
    predictor: PredictorLike,
    rows: Sequence[Row],
    *,
    metrics: Sequence[str] | None = None,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 13,
) -> Evaluation:
    """Predict ``rows`` and compute figures with bootstrap intervals.

    Args:
        predictor: what answers.
        rows: by role, their targets among them.
        metrics: names in the metrics family; None: the task's own.
        resamples: of the bootstrap.
        confidence: of the intervals.
        seed: of the bootstrap.

    Raises:
        DataError: there are no rows.
        RecipeError: a metric is unknown or does not fit the task.
    """
    if not rows:
        raise DataError("There are no rows to evaluate on.", "Give a test file with rows, or a larger test share.")
    start = perf_counter()
    predictions, evidence = predictor.task.measure(predictor, rows)
    seconds = perf_counter() - start
    names = list(predictor.task.metrics if metrics is None else metrics)
    found = figures(evidence, names, resamples=resamples, confidence=confidence, seed=seed)
    return Evaluation(predictions, evidence, found, seconds)
