"""TF-IDF of a text whose entities are marked, and a linear model: relations by the words around them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from tunesmith.core.contracts import Prediction, Row, Task
from tunesmith.core.extras import need
from tunesmith.evaluation.baselines.text_features import TextFeatures, is_unspaced
from tunesmith.evaluation.baselines.tfidf import fit_linear, predict_linear

SIDES = ("head", "tail")
WORDS = (("e1open", "e1close"), ("e2open", "e2close"))
SIGNS = ("①①", "②②")


class MarkedTfidf:
    """N-grams of the marked text and logistic regression.

    With words, the marks stand around the entities; by character, where names would drown the rest, each entity
    gives way to a sign, and both names stand in front. Each was measured to be the better one of its kind.
    """

    name: ClassVar[str] = "marked-tfidf"
    title: ClassVar[str] = "TF-IDF of the marked text with logistic regression"

    def __init__(self, task: Task, language: str) -> None:
        need("sklearn", extra="train", purpose="the TF-IDF baseline")
        self.labels: list[str] = task.labels  # type: ignore[attr-defined]
        self.language = language
        self.features = TextFeatures(language)
        self._unspaced = False
        self._models: list[Any] = []

    def fit(self, rows: Sequence[Row]) -> None:
        """Learn from rows with their relations."""
        self._unspaced = is_unspaced(self.language, (str(row["text"]) for row in rows))
        index = {label: i for i, label in enumerate(self.labels)}
        truth = np.array([index[str(row["label"])] for row in rows], dtype=np.int64)
        self._models = fit_linear("label", self.features.fit(self._marked(rows)), truth)

    def predict(self, rows: Sequence[Row]) -> list[Prediction]:
        """The likeliest relation of each row."""
        scores = predict_linear("label", self._models, self.features.transform(self._marked(rows)), len(self.labels))
        return [self._answer(row, probabilities) for row, probabilities in zip(rows, scores, strict=True)]

    def _marked(self, rows: Sequence[Row]) -> list[Row]:
        mark = with_signs if self._unspaced else with_words
        return [{"text": mark(row)} for row in rows]

    def _answer(self, row: Row, probabilities: Any) -> Prediction:
        best = int(probabilities.argmax())
        entities = {side: {**row[side], "text": _name(row, side)} for side in SIDES}
        return {**entities, "relation": self.labels[best], "score": float(probabilities[best])}


def with_words(row: Row) -> str:
    """The text with a word before and after each entity."""
    text = str(row["text"])
    borders = [
        (row[side][end], word)
        for side, words in zip(SIDES, WORDS, strict=True)
        for end, word in zip(("start", "end"), words, strict=True)
    ]
    for place, word in sorted(borders, reverse=True):
        text = f"{text[:place]} {word} {text[place:]}"
    return text


def with_signs(row: Row) -> str:
    """Both names, and the text with a sign in the place of each entity."""
    text, left = str(row["text"]), len(str(row["text"]))
    places = sorted(((row[side]["start"], row[side]["end"], sign) for side, sign in zip(SIDES, SIGNS, strict=True)))
    for start, end, sign in reversed(places):
        text = f"{text[:start]} {sign} {text[min(end, left) :]}"
        left = start  # of an entity that holds another one, what stands before the other
    return f"{_name(row, 'head')} {_name(row, 'tail')} {text}"


def _name(row: Row, side: str) -> str:
    return str(row["text"])[row[side]["start"] : row[side]["end"]]
