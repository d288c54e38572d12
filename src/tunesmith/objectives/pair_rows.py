"""Two neighbouring parts of a document, each of whole sentences: what objectives of pairs are drawn from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tunesmith.core.contracts import Feature
from tunesmith.data.batches import Drawn
from tunesmith.objectives.marks import CLAUSE, SENTENCE, WORD
from tunesmith.objectives.shelf import Shelf

TRIED = 32
"""Pieces of other documents that are looked through for sentences as long as those whose place they take."""


@dataclass(frozen=True)
class AroundPair:
    """What a model wants before, between and after two texts, and the token types of the second."""

    before: np.ndarray
    between: np.ndarray
    after: np.ndarray
    second: int
    typed: bool

    def __len__(self) -> int:
        """How many tokens."""
        return len(self.before) + len(self.between) + len(self.after)

    @classmethod
    def of(cls, processor: Any) -> AroundPair:
        """As a tokenizer does it."""
        bare = list(processor("a", add_special_tokens=False)["input_ids"])
        found = processor("a", "a")
        ids, size = list(found["input_ids"]), len(bare)
        places = [i for i in range(len(ids) - size + 1) if ids[i : i + size] == bare]
        first, second = places[0], next(i for i in places if i >= places[0] + size)
        kinds = found.get("token_type_ids")
        return cls(
            np.asarray(ids[:first], dtype=np.int64),
            np.asarray(ids[first + size : second], dtype=np.int64),
            np.asarray(ids[second + size :], dtype=np.int64),
            int(kinds[second]) if kinds is not None else 0,
            kinds is not None,
        )

    def joined(self, first: np.ndarray, second: np.ndarray) -> Feature:
        """``input_ids``, and ``token_type_ids`` where the model has them."""
        ids = np.concatenate([self.before, first, self.between, second, self.after]).astype(np.int32)
        made: Feature = {"input_ids": ids}
        if self.typed:
            kinds = np.zeros(len(ids), dtype=np.int8)
            kinds[len(ids) - len(second) - len(self.after) :] = self.second
            made["token_type_ids"] = kinds
        return made


class PairRows(Drawn):
    """Pairs of a corpus, each with ``first`` and ``second`` (ids), ``other`` (of another document) and ``draw``.

    All three are whole sentences, and ``other`` is as long as ``second``: neither a cut end nor a length tells which of
    them stands there. A document of one sentence has no pair, nor has a sentence that is longer than ``room``.

    Args:
        room: tokens of both together.
        whole: False for texts that are asked about: of one sentence then clauses or words are the parts.
    """

    left_out_why = "documents of one sentence, and sentences too long for a pair"

    def __init__(self, shelf: Shelf, *, room: int, seed: int, whole: bool = True) -> None:
        self.shelf, self.seed, self.room = shelf, seed, room
        marks = np.asarray(shelf.marks)
        self.bounds: list[np.ndarray] = []
        documents: list[int] = []
        for document, (start, end) in enumerate(zip(shelf.starts.tolist(), shelf.ends.tolist(), strict=True)):
            for bit in (SENTENCE,) if whole else (SENTENCE, CLAUSE, WORD):
                found = _pieces(np.append(np.flatnonzero(marks[start:end] & bit), end - start), room)
                if found:
                    break
            self.bounds += [start + bounds for bounds in found]
            documents += [document] * len(found)
        self.documents = np.asarray(documents, dtype=np.int64)
        self.lengths = [int(bounds[-1] - bounds[0]) for bounds in self.bounds]
        self.left_out = len(shelf.ids) - sum(self.lengths)

    def __len__(self) -> int:
        """Pairs."""
        return len(self.bounds)

    def __getitem__(self, index: Any) -> Any:
        """One pair."""
        if index < 0 or index >= len(self):
            raise IndexError(index)
        draw = np.random.default_rng([self.seed, self.epoch, index, 1])
        bounds = self.bounds[index]
        cut = int(draw.choice(bounds[1:-1]))
        first, second = self._ids(bounds[0], cut), self._ids(cut, bounds[-1])
        return {
            "row": int(self.documents[index]), "input_ids": np.concatenate([first, second]).astype(np.int32),
            "first": first, "second": second, "other": self._other(index, len(first), len(second), draw),
            "draw": (self.seed, self.epoch, index),
        }  # fmt: skip

    def _ids(self, start: int, end: int) -> np.ndarray:
        return np.asarray(self.shelf.ids[start:end], np.int64)

    def _other(self, index: int, before: int, size: int, draw: np.random.Generator) -> np.ndarray:
        """Sentences of another document (where there is one) of ``size`` tokens, or as near to it as is found."""
        free = self.room - before
        places = draw.integers(len(self), size=TRIED)
        elsewhere = places[self.documents[places] != self.documents[index]]
        nearest, found = np.inf, (0, 0)
        for place in (elsewhere if len(elsewhere) else places).tolist():
            bounds = self.bounds[place]
            starts, ends = np.triu_indices(len(bounds), 1)
            sizes = bounds[ends] - bounds[starts]
            gaps = np.abs(sizes - size) + self.room * (sizes > free)
            if gaps.min() < nearest:
                nearest = gaps.min()
                which = draw.choice(np.flatnonzero(gaps == nearest))
                found = int(bounds[starts[which]]), int(bounds[ends[which]])
            if not nearest:
                break
        return self._ids(*found)[:free]


def _pieces(bounds: np.ndarray, room: int) -> list[np.ndarray]:
    """The bounds of pieces of at least two units each, as many as fit into ``room``.

    Args:
        bounds: where units start, and where the last one ends.

    >>> [piece.tolist() for piece in _pieces(np.array([0, 4, 8, 12, 50, 53, 57]), 10)]
    [[0, 4, 8], [50, 53, 57]]
    """
    found, begin = [], 0
    while begin < len(bounds) - 1:
        end = int(np.searchsorted(bounds, bounds[begin] + room, side="right")) - 1
        if end > begin + 1:
            found.append(bounds[begin : end + 1])
        begin = max(end, begin + 1)
    return found
