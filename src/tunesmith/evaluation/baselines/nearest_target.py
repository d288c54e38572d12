"""The target of the training row whose text is most alike: what memory alone is worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from tunesmith.core.contracts import Prediction, Row, Task
from tunesmith.core.extras import need
from tunesmith.evaluation.baselines.copied import copied
from tunesmith.evaluation.baselines.text_features import TextFeatures

BLOCK = 256
"""Rows that are compared with all training rows at once."""


class NearestTarget:
    """Copies the target of the nearest training row, by the cosine of TF-IDF vectors of the texts."""

    name: ClassVar[str] = "nearest-target"
    title: ClassVar[str] = "the target of the most similar training text"

    def __init__(self, task: Task, language: str) -> None:
        self.features = TextFeatures(str(getattr(task, "state", {}).get("source_language") or language))

    def fit(self, rows: Sequence[Row]) -> None:
        """Keep the rows.

        Raises:
            ExtraMissing: scikit-learn is not installed.
        """
        need("sklearn", extra="train", purpose="the TF-IDF baseline")
        self.targets = [str(row["target"]) for row in rows]
        self.known = self.features.fit([{"text": row["text"]} for row in rows])

    def predict(self, rows: Sequence[Row]) -> list[Prediction]:
        """The nearest one's target for each row; the first of equals."""
        asked = self.features.transform([{"text": row["text"]} for row in rows])
        places = [
            (asked[start : start + BLOCK] @ self.known.T).toarray().argmax(axis=1)
            for start in range(0, len(rows), BLOCK)
        ]
        return [copied(self.targets[i]) for i in np.concatenate(places)] if rows else []


class Copy:
    """The text itself: what names, numbers and kindred languages are worth."""

    name: ClassVar[str] = "copy"
    title: ClassVar[str] = "the text itself"

    def __init__(self, task: Task, language: str) -> None:
        """Nothing is needed."""

    def fit(self, rows: Sequence[Row]) -> None:
        """Nothing is learned."""

    def predict(self, rows: Sequence[Row]) -> list[Prediction]:
        """Each row's text."""
        return [copied(str(row["text"])) for row in rows]
