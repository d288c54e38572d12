"""Documents in rows of one length, without waste: what does not fit goes on in the next row.

A document that is cut so is two pieces, each with the model's own tokens around it; no piece sees another
(``models.kept_apart``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

LEAST = 8
"""Tokens of a cut piece that is worth having: a shorter rest of a row stays empty, of a cut document it is left out.
A document that is shorter as a whole is kept: where all are lines of a few words, they are the corpus."""


@dataclass(frozen=True)
class Around:
    """The tokens that a model wants before and after a text."""

    before: np.ndarray
    after: np.ndarray

    def __len__(self) -> int:
        """How many."""
        return len(self.before) + len(self.after)

    @classmethod
    def of(cls, processor: Any) -> Around:
        """What a tokenizer puts around one text."""
        bare = list(processor("a", add_special_tokens=False)["input_ids"])
        whole = list(processor("a")["input_ids"])
        place = next(i for i in range(len(whole)) if whole[i : i + len(bare)] == bare)
        before, after = whole[:place], whole[place + len(bare) :]
        return cls(np.asarray(before, dtype=np.int64), np.asarray(after, dtype=np.int64))


def packed(starts: np.ndarray, ends: np.ndarray, room: int, around: int) -> tuple[np.ndarray, np.ndarray]:
    """Pieces in the documents' order, and which of them make each row.

    Args:
        starts, ends: of each document, [documents].
        room: tokens of a row.
        around: tokens that each piece needs beside its own.

    Returns:
        Pieces, int64 [pieces, 2] (start, end), and int64 [rows + 1]: row ``i`` holds the pieces from ``bounds[i]`` to
        ``bounds[i + 1]``.

    >>> packed(np.array([0, 20]), np.array([20, 50]), room=24, around=2)[0].tolist()
    [[0, 20], [20, 42], [42, 50]]
    >>> packed(np.array([0, 3]), np.array([3, 6]), room=24, around=2)[0].tolist()
    [[0, 3], [3, 6]]
    """
    pieces: list[tuple[int, int]] = []
    bounds = [0]
    free = room
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        begin = start
        while end - start >= LEAST or (start < end and start == begin):
            size = min(end - start, free - around)
            if size < min(LEAST, end - start, room - around):
                bounds.append(len(pieces))
                free = room
                continue
            pieces.append((start, start + size))
            start += size
            free -= size + around
    if len(pieces) > bounds[-1]:
        bounds.append(len(pieces))
    return np.asarray(pieces, dtype=np.int64).reshape(-1, 2), np.asarray(bounds, dtype=np.int64)


def alone(starts: np.ndarray, ends: np.ndarray, room: int, around: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same with a row for each piece, for texts that are asked about: pieces, bounds, the document of each row."""
    size = room - around
    found = [
        (place, min(place + size, end), document)
        for document, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True))
        for place in (range(start, end, size) if end > start else [start])
    ]
    table = np.asarray(found, dtype=np.int64).reshape(-1, 3)
    return table[:, :2], np.arange(len(table) + 1), table[:, 2]
