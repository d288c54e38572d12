"""Tags as a model's outputs: targets for pieces, and the best legal tags of words.

A layer is a set of labels of which a word has one at most; spans that overlap need several layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tunesmith.data.tags import WordSpan, read_tags, write_tags
from tunesmith.tasks.token_windows import Pieces

Scheme = Literal["BIO", "BIOES"]
Array = NDArray[Any]

# A part of a word's tag -> the part at the word's first, inner and last piece; a lone piece has the word's own.
_FIRST = {"O": "O", "B": "B", "I": "I", "E": "I", "S": "B"}
_INNER = {"O": "O", "B": "I", "I": "I", "E": "I", "S": "I"}
_LAST = {"O": "O", "B": "I", "I": "I", "E": "E", "S": "E"}


@dataclass(frozen=True)
class TagLayer:
    """The outputs O, B-x, I-x (and E-x, S-x) for each label x."""

    labels: tuple[str, ...]
    scheme: Scheme = "BIO"

    @cached_property
    def parts(self) -> str:
        """The part of each output: "OBIBI"."""
        return "O" + self._own * len(self.labels)

    @cached_property
    def names(self) -> list[str]:
        """The tag of each output."""
        return ["O", *(f"{part}-{label}" for label in self.labels for part in self._own)]

    @property
    def _own(self) -> str:
        return self.scheme[:1] + "I" + self.scheme[3:]

    @cached_property
    def _columns(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.names)}

    def targets(self, spans: Sequence[WordSpan], words: int) -> Array:
        """The output that each word (or piece, for spans of pieces) should have: int64 [words]."""
        tags = write_tags(spans, words, self.scheme)
        return np.asarray([self._columns[tag] for tag in tags], dtype=np.int64)

    def of_words(self, scores: Array, pieces: Pieces) -> Array:
        """Log-probabilities of words' tags [words, outputs], from those of their pieces.

        A word is B-x if its first piece is B-x and the others are I-x, and so on: the logarithms are added, and
        what all tags of a word have together is set to 1 again.
        """
        if len(pieces.words) == len(scores):
            return scores
        last = np.append(pieces.first[1:], len(scores)) - 1
        columns = np.tile(self._turned(_INNER), (len(scores), 1))
        columns[last] = self._turned(_LAST)
        columns[pieces.first] = self._turned(_FIRST)
        alone = last[last == pieces.first]
        columns[alone] = np.arange(len(self.names))
        added = np.add.reduceat(np.take_along_axis(scores, columns, axis=1), pieces.first, axis=0)
        return log_softmax(added)

    def _turned(self, parts: dict[str, str]) -> Array:
        turned = {name: parts[name[0]] + name[1:] if name != "O" else name for name in self.names}
        return np.asarray([self._columns[turned[name]] for name in self.names], dtype=np.int64)

    def spans(self, path: Array) -> list[WordSpan]:
        """The spans of a word's outputs."""
        return read_tags([self.names[i] for i in path]).spans

    def best(self, scores: Array) -> Array:
        """The likeliest legal outputs (Viterbi 1967): [words, outputs] log-probabilities -> int64 [words].

        Legal: I-x and E-x follow B-x or I-x; with E and S, a span that has begun is ended.
        """
        greedy: Array = scores.argmax(axis=1)
        return greedy if self._is_legal(greedy) else self._viterbi(scores)

    @cached_property
    def _facts(self) -> tuple[Array, Array, Array]:
        """Of each output: whether it goes on inside a span, whether a span may end after it, and its label."""
        parts = np.array(list(self.parts))
        inside = np.isin(parts, ["I", "E"])
        closed = np.isin(parts, ["O", "E", "S"]) if self.scheme == "BIOES" else np.ones(len(parts), dtype=bool)
        return inside, closed, np.concatenate([[0], np.repeat(np.arange(len(self.labels)), len(self._own))])

    def _is_legal(self, path: Array) -> bool:
        inside, closed, label = self._facts
        goes_on = np.append(inside[path], False)
        before = np.insert(path, 0, 0)
        same = np.append(label[path], 0) == label[before]
        leads = np.isin(np.array(list(self.parts)), ["B", "I"])[before]
        return bool(np.where(goes_on, leads & same, closed[before]).all())

    def _viterbi(self, scores: Array) -> Array:
        inside, closed, label = self._facts
        free = np.flatnonzero(closed)
        leads = np.array([[self._columns[f"{part}-{name}"] for name in self.labels] for part in "BI"])
        total = np.where(inside, -np.inf, scores[0])
        back = np.zeros(scores.shape, dtype=np.int64)
        for i in range(1, len(scores)):
            outside = free[total[free].argmax()]
            within = leads[total[leads].argmax(axis=0), np.arange(len(self.labels))][label]
            back[i] = np.where(inside, within, outside)
            total = scores[i] + total[back[i]]
        path = np.zeros(len(scores), dtype=np.int64)
        path[-1] = free[total[free].argmax()]
        for i in range(len(scores) - 1, 0, -1):
            path[i - 1] = back[i, path[i]]
        return path


def log_softmax(scores: Array) -> Array:
    """Log-probabilities along the last axis, float64."""
    shifted = scores.astype(np.float64) - scores.max(axis=-1, keepdims=True)
    probabilities: Array = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return probabilities
