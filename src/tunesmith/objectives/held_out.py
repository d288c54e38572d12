"""A corpus divided in one pass: some of it is held out, all the rest is learned.

Held out are the documents with the smallest keys of the whole corpus, up to so many tokens. A key is a hash, so they
are from all over it, whatever the order; the same document has the same key, so that none is on both sides.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from itertools import repeat, tee
from pathlib import Path
from typing import Any

import numpy as np

from tunesmith.objectives.shelf import Shelf, ShelfWriter, cut, is_finished, open_shelf

KEYS = "keys.npy"
"""Beside the shelf of what is held out: the keys of its documents, uint64, ascending."""
Tokens = tuple[np.ndarray, np.ndarray]
"""Ids and marks of a document."""


class HeldOut:
    """Of all documents that come by those with the smallest keys, as few as have so many tokens together.

    What is given back stays so: the largest key that is held only ever falls.

    >>> some = HeldOut(tokens=3)
    >>> one, two = ((np.arange(size), np.zeros(size)) for size in (1, 2))
    >>> [len(list(some.take(key, *tokens))) for key, tokens in ((7, two), (9, two), (8, two), (7, two), (2, one))]
    [0, 0, 1, 0, 1]
    >>> some.keys
    [2, 7]
    """

    def __init__(self, tokens: int) -> None:
        self._limit, self._size = tokens, 0
        self._held: dict[int, Tokens] = {}
        self._again: Counter[int] = Counter()
        self._largest: list[int] = []  # a heap of keys with their sign turned

    @property
    def full(self) -> bool:
        """Whether there are as many tokens as asked for."""
        return self._size >= self._limit

    @property
    def keys(self) -> list[int]:
        """Of what is held, ascending."""
        return sorted(self._held)

    def documents(self) -> Iterator[Tokens]:
        """What is held, each document once, by key."""
        return (self._held[key] for key in self.keys)

    def take(self, key: int, ids: np.ndarray, marks: np.ndarray) -> Iterator[Tokens]:
        """Take a document; gives back what is to be learned: the document itself, or others whose place it takes."""
        if key in self._held:
            self._again[key] += 1
            return
        if self.full and key > -self._largest[0]:
            yield ids, marks
            return
        heapq.heappush(self._largest, -key)
        self._held[key] = ids, marks
        self._size += len(ids)
        while self._size - len(self._held[-self._largest[0]][0]) >= self._limit:
            least = -heapq.heappop(self._largest)
            found = self._held.pop(least)
            self._size -= len(found[0])
            yield from repeat(found, 1 + self._again.pop(least, 0))


def write_divided(
    folder: Path,
    held_folder: Path,
    documents: Iterable[tuple[str, int | None]],
    processor: Any,
    known: frozenset[str] = frozenset(),
    *,
    limit: int | None,
    held_limit: int,
    read: Callable[[], None] | None = None,
) -> tuple[Shelf, Shelf]:
    """Cut a corpus into a shelf to learn from and one to measure on, in one pass; finished ones are taken as they are.

    Args:
        documents: each with its key where it may be held out, None where it may not.
        limit: tokens that are learned, at most. Where they are had, it is read on until what is held out is, too.
        held_limit: tokens that are held out, at most.
        read: called when all is read and before anything counts as finished; where it raises, it never does.

    Raises:
        DataError: there is no text on one of both sides.
    """
    if is_finished(folder) and is_finished(held_folder):
        return open_shelf(folder), open_shelf(held_folder)
    held = HeldOut(held_limit)
    with (
        closing(ShelfWriter(folder, processor, limit)) as writer,
        closing(ShelfWriter(held_folder, processor, held_limit)) as held_writer,
    ):
        wanted = (one for one in documents if one[1] is not None or not writer.full)
        first, second = tee(wanted)  # which are at most as far apart as documents are cut together
        keys, texts = (key for _, key in first), (text for text, _ in second)
        for (ids, marks), key in zip(cut(texts, processor, known), keys, strict=False):
            if not len(ids):
                continue
            for found in [(ids, marks)] if key is None else held.take(key, ids, marks):
                writer.add(*found)
            if writer.full and held.full:
                break
        for found in held.documents():
            held_writer.add(*found)
        writer.refuse_empty()
        if read is not None:
            read()
        np.save(held_folder / KEYS, np.array(held.keys, dtype=np.uint64), allow_pickle=False)
        measured = held_writer.finish()  # first: a finished corpus has what is held out beside it
        return writer.finish(), measured


def held_keys(folder: Path) -> np.ndarray | None:
    """Keys of what ``write_divided`` held out; None: it was another that wrote the shelf."""
    return np.load(folder / KEYS, allow_pickle=False) if (folder / KEYS).is_file() else None
