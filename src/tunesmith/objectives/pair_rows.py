"""Two neighbouring parts of a document, divided where a sentence starts: what objectives of pairs are drawn from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tunesmith.core.contracts import Feature
from tunesmith.data.batches import Drawn
from tunesmith.objectives.marks import CLAUSE, SENTENCE, WORD
from tunesmith.objectives.packing import alone
from tunesmith.objectives.shelf import Shelf


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

    Args:
        room: tokens of both together.
    """

    def __init__(self, shelf: Shelf, *, room: int, seed: int) -> None:
        self.shelf, self.seed = shelf, seed
        pieces, _, documents = alone(shelf.starts, shelf.ends, room, 0)
        marks = np.asarray(shelf.marks)
        inner = [_boundaries(marks[start:end]) for start, end in pieces.tolist()]
        kept = [i for i, places in enumerate(inner) if len(places)]
        self.pieces, self.documents = pieces[kept], documents[kept]
        self.inner = [inner[i] for i in kept]
        self.lengths = (self.pieces[:, 1] - self.pieces[:, 0]).tolist()

    def __len__(self) -> int:
        """Pairs."""
        return len(self.pieces)

    def __getitem__(self, index: Any) -> Any:
        """One pair."""
        if index < 0 or index >= len(self):
            raise IndexError(index)
        draw = np.random.default_rng([self.seed, self.epoch, index, 1])
        first, second = self._parts(index, draw)
        other = self._parts(self._elsewhere(index, draw), draw)[1]
        return {
            "row": int(self.documents[index]), "input_ids": np.concatenate([first, second]).astype(np.int32),
            "first": first, "second": second, "other": other, "draw": (self.seed, self.epoch, index),
        }  # fmt: skip

    def _parts(self, index: int, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        start, end = self.pieces[index].tolist()
        cut = start + int(draw.choice(self.inner[index]))
        return np.asarray(self.shelf.ids[start:cut], np.int64), np.asarray(self.shelf.ids[cut:end], np.int64)

    def _elsewhere(self, index: int, draw: np.random.Generator) -> int:
        """A pair of another document, where there is one."""
        for _ in range(8):
            other = int(draw.integers(len(self)))
            if self.documents[other] != self.documents[index]:
                return other
        return other


def _boundaries(marks: np.ndarray) -> np.ndarray:
    """Where sentences start within a piece; else clauses, else words; none where there is one word."""
    for bit in (SENTENCE, CLAUSE, WORD):
        found = np.flatnonzero(marks[1:] & bit) + 1
        if len(found):
            return found
    return found
