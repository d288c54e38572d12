"""A baseline fitted, asked and timed, whichever way it is written.

A baseline for labels and numbers is a function of rows (``majority``, ``tfidf``). One for a task of another shape is a
class: ``__init__(task, language)``, ``fit(rows)`` and ``predict(rows)`` that answers in the task's own form, so that
its evidence is the task's.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Any, ClassVar, Protocol

from tunesmith.core.contracts import Prediction, Row, Task
from tunesmith.evaluation.baselines import BASELINES
from tunesmith.evaluation.baselines.targets import Baseline


class TaskBaseline(Protocol):
    """A baseline that answers as its task does."""

    name: ClassVar[str]
    title: ClassVar[str]
    """As a sentence calls it: "the most frequent tag of each word"."""

    def __init__(self, task: Task, language: str) -> None: ...

    def fit(self, rows: Sequence[Row]) -> None:
        """Learn from rows with their targets."""

    def predict(self, rows: Sequence[Row]) -> list[Prediction]:
        """One prediction a row, in order."""


def measured(name: str, task: Task, train: Sequence[Row], test: Sequence[Row], language: str) -> Baseline:
    """The baseline's evidence on the test rows, and what it cost."""
    made: Any = BASELINES.load(name)
    if not isinstance(made, type):
        asked = {"threshold": task.threshold} if hasattr(task, "threshold") else {}  # what holds for the model
        found: Baseline = made(task.name, train, test, getattr(task, "labels", []), language, **asked)
        return found
    baseline: TaskBaseline = made(task, language)
    start = perf_counter()
    baseline.fit(train)
    fitted = perf_counter()
    predictions = baseline.predict(test)
    done = perf_counter()
    return Baseline(name, task.evidence(test, predictions), fitted - start, done - fitted)


def title(name: str) -> str | None:
    """How a sentence calls the baseline; None where the report has a word of its own."""
    return getattr(BASELINES.load(name), "title", None)
