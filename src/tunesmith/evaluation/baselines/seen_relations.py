"""Entities seen in training, and what training rows said of the same two names."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations
from typing import Any, ClassVar

from tunesmith.core.contracts import Prediction, Row, Task
from tunesmith.evaluation.baselines.dictionary import Dictionary

NONE = ""


class SeenRelations:
    """The dictionary of phrases for entities; of each pair of names the most frequent relation, or none."""

    name: ClassVar[str] = "seen-relations"
    title: ClassVar[str] = "entities seen in training with the most frequent relation of their two names"

    def __init__(self, task: Task, language: str) -> None:
        self._entities = Dictionary(task, language)
        self._best: dict[tuple[str, str], tuple[str, float]] = {}

    def fit(self, rows: Sequence[Row]) -> None:
        """Count the relations of each pair of names that stand in a row together."""
        self._entities.fit(rows)
        counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        for row in rows:
            told = {(relation["head"], relation["tail"]): relation["label"] for relation in row["relations"]}
            for pair, names in _pairs(row["text"], row["spans"]):
                counts[names][told.get(pair, NONE)] += 1
        for names, relations in counts.items():
            label, times = relations.most_common(1)[0]
            self._best[names] = (label, times / relations.total())

    def predict(self, rows: Sequence[Row]) -> list[Prediction]:
        """One prediction a row."""
        found = self._entities.predict(rows)
        return [self._related(row["text"], answer) for row, answer in zip(rows, found, strict=True)]

    def _related(self, text: str, answer: Prediction) -> Prediction:
        relations = []
        for (head, tail), names in _pairs(text, answer["spans"]):
            label, score = self._best.get(names, (NONE, 1.0))
            if label != NONE:
                relations.append({"head": head, "tail": tail, "label": label, "score": score})
        return {"spans": answer["spans"], "relations": relations, "score": answer["score"]}


def _pairs(text: str, spans: Sequence[Mapping[str, Any]]) -> Iterator[tuple[tuple[int, int], tuple[str, str]]]:
    """Numbers and names of each two spans, in both orders."""
    names = [text[span["start"] : span["end"]] for span in spans]
    for head, tail in permutations(range(len(spans)), 2):
        yield (head, tail), (names[head], names[tail])
