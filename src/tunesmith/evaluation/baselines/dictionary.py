"""Phrases seen in training, found again: the baseline of the CoNLL shared tasks.

Tjong Kim Sang and De Meulder 2003, section 2.4: each phrase of the training rows under its most frequent label, the
longest phrase first. Theirs are the phrases with one label only (F1 0.596 on CoNLL-2003, and so it is here without
``_count_elsewhere``); a phrase that mostly stood without a label is left out, too (0.625).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from tunesmith.core.contracts import Prediction, Row, Task
from tunesmith.data.words_in_text import units

EVERY_WORD = 0.95
"""Share of words under a span from which on every word has a label, as in parts of speech."""
NONE = ""

Units = Sequence[tuple[int, int]]
Phrase = tuple[str, ...]
"""Its words, or characters."""


class Dictionary:
    """The most frequent label of each phrase, of each character sequence where words are not spaced."""

    name: ClassVar[str] = "dictionary"
    title: ClassVar[str] = "the most frequent label of each phrase seen in training"

    def __init__(self, task: Task, language: str) -> None:
        self._best: dict[Phrase, tuple[str, float]] = {}
        """The most frequent label of each phrase, and its share."""
        self._longest = 0
        self._usual: tuple[str, float] | None = None
        """For words never seen, where every word has a label."""

    def fit(self, rows: Sequence[Row]) -> None:
        """Count how often each phrase stands under each label, and under none."""
        counts: dict[Phrase, Counter[str]] = defaultdict(Counter)
        of_labels: Counter[str] = Counter()
        words = tagged = 0
        for row in rows:
            places = _units(row)
            words += len(places)
            for span in row["spans"]:
                inside = [p for p in places if p[0] < span["end"] and p[1] > span["start"]]
                tagged += len(inside)
                of_labels[str(span["label"])] += 1
                counts[_phrase(row["text"], inside)][str(span["label"])] += 1
        self._longest = max(map(len, counts), default=0)
        self._usual = _most(of_labels) if tagged > EVERY_WORD * words else None
        self._count_elsewhere(rows, counts)
        self._best = {phrase: _most(labels) for phrase, labels in counts.items()}

    def _count_elsewhere(self, rows: Sequence[Row], counts: Mapping[Phrase, Counter[str]]) -> None:
        for row in rows:
            marked = {(span["start"], span["end"]) for span in row["spans"]}
            for start, end, phrase in self._found(row, counts):
                if (start, end) not in marked:
                    counts[phrase][NONE] += 1

    def predict(self, rows: Sequence[Row]) -> list[Prediction]:
        """One prediction a row: the longest phrases from left to right."""
        return [self._answer(row) for row in rows]

    def _answer(self, row: Row) -> Prediction:
        spans: list[dict[str, Any]] = []
        sure = 1.0
        for start, end, phrase in self._found(row, self._best):
            label, score = self._best.get(phrase) or self._usual or (NONE, 1.0)
            sure *= score
            if label != NONE:
                text = str(row["text"])[start:end]
                spans.append({"start": start, "end": end, "text": text, "label": label, "score": score})
        return {"spans": spans, "score": sure}

    def _found(self, row: Row, known: Mapping[Phrase, Any]) -> Iterator[tuple[int, int, Phrase]]:
        """(start, end, phrase) of known phrases; of every word, where every word has a label."""
        text, places = str(row["text"]), _units(row)
        words = [text[start:end] for start, end in places]
        i = 0
        while i < len(places):
            lengths = range(min(self._longest, len(places) - i), 0, -1)
            length = next((n for n in lengths if tuple(words[i : i + n]) in known), 0)
            if length or self._usual:
                last = i + max(length, 1)
                yield places[i][0], places[last - 1][1], tuple(words[i:last])
            i += max(length, 1)


def _units(row: Row) -> Units:
    words = row.get("words")
    return [(int(start), int(end)) for start, end in words] if words else units(str(row["text"]))


def _phrase(text: str, places: Units) -> Phrase:
    return tuple(text[start:end] for start, end in places)


def _most(counts: Counter[str]) -> tuple[str, float]:
    """The most frequent label, and its share; of equal ones the first by name."""
    label = min(counts, key=lambda name: (-counts[name], name))
    return label, counts[label] / counts.total()
