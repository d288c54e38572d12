"""Texts are alike that share rare words: cosine of TF-IDF vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from tunesmith.core.contracts import Prediction, Row, Task
from tunesmith.core.extras import need
from tunesmith.evaluation.baselines.text_features import TextFeatures


class TfidfRetrieval:
    """Vectors of length 1 from the weights of words, or of characters where words are not spaced."""

    name: ClassVar[str] = "tfidf_retrieval"
    title: ClassVar[str] = "TF-IDF cosine"

    def __init__(self, task: Task, language: str) -> None:
        self.features = TextFeatures(language)

    def fit(self, rows: Sequence[Row]) -> None:
        """Learn which words are rare, from both sides of the pairs.

        Raises:
            ExtraMissing: scikit-learn is not installed.
        """
        need("sklearn", extra="train", purpose="the TF-IDF baseline")
        self.features.fit([{"text": row[role]} for row in rows for role in ("text", "text_pair")])

    def predict(self, rows: Sequence[Row]) -> list[Prediction]:
        """Cosines; vectors are rows of a sparse matrix."""
        sides: list[Any] = [
            self.features.transform([{"text": row[role]} for row in rows]) for role in ("text", "text_pair")
        ]
        scores = sides[0].multiply(sides[1]).sum(axis=1)
        return [
            {"score": float(score), "vector": one, "vector_pair": other}
            for score, one, other in zip(scores.A1, *map(list, sides), strict=True)
        ]
