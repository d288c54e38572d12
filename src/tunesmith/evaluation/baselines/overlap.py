"""Choose what is most like the text to read; without a text, the longest choice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from tunesmith.core.contracts import Prediction, Row, Task
from tunesmith.tasks.multiple_choice import chosen


class Overlap:
    """The choice with the largest share of its character bigrams in the context; without one, the longest choice."""

    name: ClassVar[str] = "overlap"
    title: ClassVar[str] = "the choice that shares most with the text, or the longest"

    def __init__(self, task: Task, language: str) -> None:
        self.task = task

    def fit(self, rows: Sequence[Row]) -> None:
        """Nothing is learned."""

    def predict(self, rows: Sequence[Row]) -> list[Prediction]:
        """A choice for each row."""
        return [chosen(scores(str(row.get("context") or ""), row["choices"]), row["choices"]) for row in rows]


def scores(context: str, choices: Sequence[str]) -> np.ndarray:
    """One a choice: the share of its bigrams that stand in the context, or its length.

    >>> scores("他要减肥", ["要减肥", "口渴了"]).tolist(), scores("", ["sun", "rain"]).tolist()
    ([1.0, 0.0], [3.0, 4.0])
    """
    if not context.strip():
        return np.array([len(choice) for choice in choices], dtype=np.float64)
    there = _bigrams(context)
    return np.array([len(_bigrams(choice) & there) / max(1, len(_bigrams(choice))) for choice in choices])


def _bigrams(text: str) -> set[str]:
    plain = text.lower()
    return {plain[i : i + 2] for i in range(len(plain) - 1)} or {plain}
