"""A classifier's answers with what they are worth: true confidence, candidates, and when a person should look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.contracts import Prediction
from tunesmith.tasks.calibrated.conformal import fit_level, sets
from tunesmith.tasks.calibrated.scope import Ids, Scope, fit_scope
from tunesmith.tasks.calibrated.selective import fit_threshold
from tunesmith.tasks.calibrated.temperature import fit_temperature, softmax

UNSURE, OUTSIDE = "unsure", "out of scope"
FIELDS = frozenset({"candidates", "abstain", "human", "strange"})
"""What a calibrated answer has beside the plain one; all of it follows from the scores and the text."""


@dataclass(frozen=True)
class Wanted:
    """What is asked of answers.

    Args:
        error: share of wrong answers among those that are not abstained from, at most.
        coverage: share of sets of candidates that hold the right label.
        outside: share of rows of its own that may be called out of scope.
        certainty: with which ``error`` is kept.
    """

    error: float = 0.02
    coverage: float = 0.9
    outside: float = 0.01
    certainty: float = 0.9


@dataclass(frozen=True)
class Calibrated:
    """What was learned.

    Args:
        temperature: logits are divided by it.
        level: probability from which on a label is a candidate.
        threshold: confidence from which on an answer is taken; None: none can be.
        scope: what rows of its own look like.
    """

    temperature: float
    level: float
    threshold: float | None
    scope: Scope

    def answer(self, logits: NDArray[Any], ids: Ids, labels: Sequence[str]) -> Prediction:
        """One row's prediction.

        Args:
            logits: [classes].
            ids: its windows' tokens.
            labels: the classes' names.
        """
        probabilities = softmax(logits, self.temperature)
        best = int(probabilities.argmax())
        inside = sets(probabilities, self.level)
        strange = self.scope.strange(logits, ids)
        why = OUTSIDE if strange > self.scope.limit else ""
        if not why and (self.threshold is None or probabilities[best] < self.threshold):
            why = UNSURE
        order = np.argsort(-probabilities, kind="stable")
        return {
            "label": labels[best],
            "score": float(probabilities[best]),
            "scores": dict(zip(labels, probabilities.tolist(), strict=True)),
            "candidates": [labels[i] for i in order.tolist() if inside[i]],
            "abstain": bool(why),
            "human": why,
            "strange": strange,
        }

    def to_json(self) -> dict[str, Any]:
        """JSON values, for the task's state."""
        return {
            "temperature": self.temperature,
            "level": self.level,
            "threshold": self.threshold,
            "scope": self.scope.to_json(),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Calibrated:
        """Take back what ``to_json`` gave."""
        return cls(values["temperature"], values["level"], values["threshold"], Scope.from_json(values["scope"]))


def calibrate(
    logits: NDArray[Any], labels: NDArray[np.int64], ids: Sequence[Ids], trained: Sequence[Ids], wanted: Wanted
) -> Calibrated:
    """Learn it on rows that the model did not train on.

    Args:
        logits: [rows, classes], of the model.
        labels: [rows].
        ids: tokens of the same rows.
        trained: tokens of the training rows.
        wanted: what is asked for.
    """
    temperature = fit_temperature(logits, labels)
    probabilities = softmax(logits, temperature)
    scope, strange = fit_scope(trained, logits, ids, wanted.outside)
    inside = strange <= scope.limit
    right = probabilities.argmax(axis=1) == labels
    # Only answers that are in scope can be taken, so the promise is made for these.
    threshold = fit_threshold(probabilities.max(axis=1)[inside], right[inside], wanted.error, wanted.certainty)
    return Calibrated(temperature, fit_level(probabilities, labels, wanted.coverage), threshold, scope)


def words(found: Calibrated, wanted: Wanted, rows: int) -> str:
    """A sentence for the report."""
    said = f"Confidence was fitted on {rows:,} validation rows (temperature {found.temperature:.2f})."
    if found.threshold is None:
        return (
            f"{said} They are too few, or too often wrong, to promise an error of {wanted.error:g}: every answer "
            "abstains. Give more validation rows, or ask for less: evaluation.calibrate.error."
        )
    return f"{said} From a confidence of {found.threshold:.3f} on an error of {wanted.error:g} is kept."
