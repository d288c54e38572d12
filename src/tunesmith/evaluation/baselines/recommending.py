"""What a recommender must beat: the same list for all, neighbours of items, and words in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from tunesmith.core.contracts import Prediction, Row, Task
from tunesmith.core.extras import need

TOP = 10
LATEST = 5
"""Items of a history whose texts are the question."""
K1, B = 1.2, 0.75
"""Of BM25, as usual (Robertson & Zaragoza 2009)."""


class _Listed:
    """Lists of the best of all items that a user has not taken."""

    def __init__(self, task: Task, language: str) -> None:
        self.task: Any = task
        self.language = language

    def predict(self, rows: Sequence[Row]) -> list[Prediction]:
        """The ten best for each row; among its candidates where it has some."""
        catalogue = self.task.memory.catalogue
        found: list[Prediction] = []
        for row in rows:
            codes = np.array(catalogue.codes([str(e["item"]) for e in self._history(row)])[0], np.int64)
            scores = self.scores(codes).astype(np.float64)
            scores[codes] = -np.inf
            if row.get("candidates"):
                among = np.array(catalogue.codes([str(one) for one in row["candidates"]])[0], np.int64)
                kept = np.full(len(scores), -np.inf)
                kept[among] = scores[among]
                scores = kept
            best = np.lexsort((np.arange(len(scores)), -scores))[:TOP]
            items = [{"item": catalogue.ids[i], "score": 0.0} for i in best if scores[i] > -np.inf]
            found.append({"items": items})
        return found

    def scores(self, history: np.ndarray) -> np.ndarray:
        """Of all items, [items]."""
        raise NotImplementedError

    def _history(self, row: Row) -> Sequence[Any]:
        if row.get("history") is not None:
            return list(row["history"])
        memory = self.task.memory
        known = memory.taken.items[memory.taken.before(str(row.get("user", "")), row.get("time"))]
        return [{"item": memory.catalogue.ids[code]} for code in known]


class Popular(_Listed):
    """The items that most rows have."""

    name: ClassVar[str] = "popularity"
    title: ClassVar[str] = "the most popular items"

    def fit(self, rows: Sequence[Row]) -> None:
        """Count."""
        code = self.task.memory.catalogue.code
        counts = Counter(code[row["item"]] for row in rows)
        self.counts = np.array([counts[i] for i in range(len(code))], np.float64)

    def scores(self, history: np.ndarray) -> np.ndarray:
        """The counts, whoever asks."""
        return self.counts.copy()


class ItemKnn(_Listed):
    """Items whose users are those of the history: the sum of plain cosines (Sarwar et al. 2001)."""

    name: ClassVar[str] = "item-knn"
    title: ClassVar[str] = "the neighbours of the user's items"

    def fit(self, rows: Sequence[Row]) -> None:
        """Who took what, each item's column of length 1.

        Raises:
            ExtraMissing: scipy is not installed.
        """
        need("scipy", extra="train", purpose="the item-kNN baseline")
        from scipy.sparse import csr_matrix

        code = self.task.memory.catalogue.code
        users = {name: i for i, name in enumerate(dict.fromkeys(row["user"] for row in rows))}
        places = ([users[row["user"]] for row in rows], [code[row["item"]] for row in rows])
        taken = csr_matrix((np.ones(len(rows)), places), shape=(len(users), len(code)))
        taken.data[:] = 1.0
        lengths = np.sqrt(np.asarray(taken.sum(0)).ravel())
        self.taken = taken.multiply(1 / np.maximum(lengths, 1.0)).tocsr()
        self.columns = self.taken.T.tocsr()

    def scores(self, history: np.ndarray) -> np.ndarray:
        """How near each item is to all of the history."""
        mine = np.asarray(self.columns[history].sum(0)).ravel()
        return np.asarray(self.taken.T @ mine).ravel()


class Bm25(_Listed):
    """Items whose texts share rare words with the latest of the history."""

    name: ClassVar[str] = "bm25"
    title: ClassVar[str] = "BM25 over the items' texts"

    def fit(self, rows: Sequence[Row]) -> None:
        """Count the words of all texts.

        Raises:
            ExtraMissing: scikit-learn is not installed.
        """
        need("sklearn", extra="train", purpose="the BM25 baseline")
        from scipy.sparse import csr_matrix
        from sklearn.feature_extraction.text import CountVectorizer

        from tunesmith.data.word_runs import words

        texts = self.task.memory.catalogue.texts
        if not any(text.strip() for text in texts):
            self.weights = csr_matrix((len(texts), 1))
            self.counts = self.weights
            return
        counts = CountVectorizer(analyzer=words).fit_transform(texts).astype(np.float64).tocsr()
        lengths = np.asarray(counts.sum(1)).ravel()
        spread = np.asarray((counts > 0).sum(0)).ravel()
        rare = np.log(1 + (len(texts) - spread + 0.5) / (spread + 0.5))
        weighed = counts.copy()
        share = K1 * (1 - B + B * lengths / max(lengths.mean(), 1e-9))
        per_cell = np.repeat(share, np.diff(counts.indptr))
        weighed.data = counts.data * (K1 + 1) / (counts.data + per_cell) * rare[counts.indices]
        self.weights, self.counts = weighed, counts

    def scores(self, history: np.ndarray) -> np.ndarray:
        """Of each item for the words of the latest items."""
        asked = np.asarray(self.counts[history[-LATEST:]].sum(0)).ravel() if len(history) else None
        return np.zeros(self.weights.shape[0]) if asked is None else np.asarray(self.weights @ asked).ravel()
