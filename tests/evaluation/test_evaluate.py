"""Evaluation of a predictor, and the calibration check on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from tunesmith.core.contracts import CheckResult
from tunesmith.core.errors import DataError
from tunesmith.core.registry import options_of
from tunesmith.evaluation.checks import CHECKS
from tunesmith.evaluation.evaluate import evaluate


class Task:
    metrics = ("accuracy", "ece")

    def measure(self, predictor: Any, rows: Sequence[Any]) -> tuple[list[Any], dict[str, np.ndarray]]:
        predictions = predictor.predict(rows)
        return predictions, self.evidence(rows, predictions)

    def evidence(self, rows: Sequence[Any], predictions: Sequence[Any]) -> dict[str, np.ndarray]:
        p = np.array([[1 - x["score"], x["score"]] for x in predictions])
        truth = np.array([row["label"] for row in rows])
        return {"label": truth, "predicted": p.argmax(axis=1), "probabilities": p}


class Predictor:
    """Always says 1, with one certainty."""

    task = Task()

    def __init__(self, score: float) -> None:
        self.score = score

    def predict(self, rows: Sequence[Any]) -> list[dict[str, Any]]:
        return [{"label": 1, "score": self.score} for _ in rows]


ROWS = [{"text": "好", "label": int(i % 10 < 7)} for i in range(1000)]


def test_the_tasks_own_metrics_unless_told_otherwise() -> None:
    found = evaluate(Predictor(0.7), ROWS, resamples=100)
    assert list(found.figures) == ["accuracy", "ece"] and found.figures["accuracy"].value == 0.7
    assert len(found.predictions) == 1000 and found.seconds >= 0
    assert list(evaluate(Predictor(0.7), ROWS, metrics=["brier"], resamples=100).figures) == ["brier"]
    with pytest.raises(DataError, match="no rows"):
        evaluate(Predictor(0.7), [])


@pytest.mark.parametrize(
    ("score", "verdict"), [(0.7, "Well calibrated"), (0.95, "Over-confident"), (0.51, "Under-confident")]
)
def test_calibration_in_words(score: float, verdict: str) -> None:
    found = CHECKS.make("calibration", {"resamples": 200}).check(Predictor(score), ROWS)
    assert isinstance(found, CheckResult) and found.verdict.startswith(verdict)
    assert found.figure == pytest.approx(abs(score - 0.7)) and found.low <= found.figure <= found.high
    assert found.worst[0]["count"] == 1000


def test_options_are_typed() -> None:
    model = options_of(CHECKS.load("calibration"))
    assert set(model.model_fields) == {"limit", "resamples", "confidence", "seed"}
    with pytest.raises(ValidationError):
        model(limit=2)
