"""Roles by a word, its neighbours and its place beside the predicate: what can be had without a model or syntax."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from tunesmith.core.contracts import Prediction, Row, Task
from tunesmith.core.extras import need
from tunesmith.evaluation.baselines.tfidf import fit_linear, predict_linear
from tunesmith.tasks.role_tags import answer, word_tags

FAR = (1, 2, 3, 4, 6, 9, 14)
"""Distances from the predicate, in words, that are told apart."""


class RoleWords:
    """Logistic regression on each word's features; the predicate is given, syntax is not."""

    name: ClassVar[str] = "role-words"
    title: ClassVar[str] = "logistic regression on each word, its neighbours and its place beside the predicate"

    def __init__(self, task: Task, language: str) -> None:
        need("sklearn", extra="train", purpose="the baseline of roles")
        self.tags: list[str] = task.state["tags"]
        self._models: list[Any] = []
        self._vectorizer: Any = None

    def fit(self, rows: Sequence[Row]) -> None:
        """Learn from rows with their roles."""
        from sklearn.feature_extraction import DictVectorizer

        index = {tag: i for i, tag in enumerate(self.tags)}
        truth = [index[tag] for row in rows for tag in word_tags(row["roles"], row["words"])]
        self._vectorizer = DictVectorizer(dtype=np.float32).fit(word for row in rows for word in word_features(row))
        self._models = fit_linear("label", self._features(rows), np.array(truth, dtype=np.int64))

    def predict(self, rows: Sequence[Row]) -> list[Prediction]:
        """The likeliest tag of each word, as roles."""
        scores = predict_linear("label", self._models, self._features(rows), len(self.tags))
        ends = np.cumsum([len(row["words"]) for row in rows])
        return [self._answer(row, part) for row, part in zip(rows, np.split(scores, ends[:-1]), strict=True)]

    def _features(self, rows: Sequence[Row]) -> Any:
        """Sparse float32 [words of all rows, features]."""
        found = self._vectorizer.transform(word for row in rows for word in word_features(row))
        found.indices, found.indptr = found.indices.astype(np.int32), found.indptr.astype(np.int32)  # what SAG takes
        return found

    def _answer(self, row: Row, scores: Any) -> Prediction:
        tags = [self.tags[i] for i in scores.argmax(axis=1)]
        predicate = (row["predicate"]["start"], row["predicate"]["end"])
        return answer(row["text"], row["words"], predicate, tags, scores.max(axis=1))


def word_features(row: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    """For each word: itself, its neighbours, its place beside the predicate, and these together."""
    text, start = row["text"], row["predicate"]["start"]
    words = [text[one:other].lower() for one, other in row["words"]]
    verb = next((i for i, (_, end) in enumerate(row["words"]) if end > start), 0)
    frame = str(row["predicate"].get("label") or words[verb])
    around = ["<", *words, ">"]
    for i, word in enumerate(words):
        place = _place(i - verb)
        names = [
            f"word={word}", f"before={around[i]}", f"after={around[i + 2]}", f"end={word[-3:]}", f"place={place}",
            f"place+word={place}+{word}", f"place+after={place}+{around[i + 2]}", f"place+before={place}+{around[i]}",
            f"place+frame={place}+{frame}", f"frame+word={frame}+{word}", f"place+end={place}+{word[-3:]}",
        ]  # fmt: skip
        yield dict.fromkeys(names, 1.0)


def _place(distance: int) -> str:
    """Left or right of the predicate, and about how far."""
    far = sum(abs(distance) >= bound for bound in FAR)
    return f"{'<' if distance < 0 else '>' if distance > 0 else ''}{far}"
