"""Texts are alike that share rare words: cosine of TF-IDF vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from tunesmith.core.contracts import Prediction, Row, Task
from tunesmith.core.extras import need
from tunesmith.evaluation.baselines.text_features import TextFeatures


class TfidfRetrieval:
    """Vectors of length 1 from the weights of words, or of characters where words are not spaced."""

    name: ClassVar[str] = "tfidf_retrieval"
    title: ClassVar[str] = "TF-IDF cosine"

    def __init__(self, task: Task, language: str) -> None:
        self.features = TextFeatures(language)
        self.texts: list[Row] = []

    def fit(self, rows: Sequence[Row]) -> None:
        """Keep both sides of the pairs; which words are rare is counted with the texts that are searched."""
        self.texts = _single(rows, "text") + _single(rows, "text_pair")

    def predict(self, rows: Sequence[Row]) -> list[Prediction]:
        """Cosines; vectors are rows of a sparse matrix.

        Raises:
            ExtraMissing: scikit-learn is not installed.
        """
        need("sklearn", extra="train", purpose="the TF-IDF baseline")
        asked, searched = _single(rows, "text"), _single(rows, "text_pair")
        self.features.fit([*self.texts, *asked, *searched])
        one, other = self.features.transform(asked), self.features.transform(searched)
        scores = np.asarray(one.multiply(other).sum(axis=1)).ravel()
        return [{"score": float(score), "vector": one[i], "vector_pair": other[i]} for i, score in enumerate(scores)]


def _single(rows: Sequence[Row], role: str) -> list[Row]:
    return [{"text": row[role]} for row in rows]
