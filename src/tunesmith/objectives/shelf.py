"""A corpus as tokens on disk: read once, cut once, and never held in memory.

Three files: ``ids`` (uint16 or uint32), ``marks`` (uint8, see ``marks``) and ``ends`` (int64, where documents end).
``facts.json`` is written last: a shelf without it was not finished, and is made again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from tunesmith.core.errors import DataError
from tunesmith.objectives.marks import SENTENCE, token_marks

FACTS = "facts.json"
TOGETHER = 256
"""Documents that are cut together: bounds memory."""


@dataclass(frozen=True)
class Shelf:
    """Documents as tokens, one after the other.

    Args:
        ids: [tokens], without the tokens that a model puts around a text.
        marks: uint8 [tokens].
        ends: int64 [documents]: where each ends in ``ids``.
        used: the different ids, ascending.
    """

    ids: np.ndarray
    marks: np.ndarray
    ends: np.ndarray
    used: np.ndarray

    def __len__(self) -> int:
        """Documents."""
        return len(self.ends)

    @property
    def starts(self) -> np.ndarray:
        """Where each document starts."""
        return np.concatenate([[0], self.ends[:-1]]).astype(np.int64)


def cut(texts: Iterable[str], processor: Any, known: frozenset[str]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Ids and marks of each document; of one without tokens, empty ones.

    A special token that stands in a text ("[SEP]") is text there, and is cut as such where the tokenizer can.
    """
    waiting = iter(texts)
    plain = {"split_special_tokens": True} if hasattr(processor, "split_special_tokens") else {}
    while some := list(islice(waiting, TOGETHER)):
        found = processor(
            some, add_special_tokens=False, return_offsets_mapping=True, return_attention_mask=False, **plain
        )
        for text, ids, offsets in zip(some, found["input_ids"], found["offset_mapping"], strict=True):
            yield np.asarray(ids, dtype=np.int64), token_marks(text, offsets, known)


def in_memory(texts: Iterable[str], processor: Any, known: frozenset[str] = frozenset()) -> Shelf:
    """A shelf of a few documents; of a document without tokens, an empty one."""
    parts, ends, size = [], [], 0
    for text in texts:
        part = next(cut([text], processor, known))
        parts.append(part)
        size += len(part[0])
        ends.append(size)
    ids = np.concatenate([np.zeros(0, np.int64), *(part[0] for part in parts)])
    marks = np.concatenate([np.zeros(0, np.uint8), *(part[1] for part in parts)])
    return Shelf(ids, marks, np.asarray(ends, dtype=np.int64), np.unique(ids))


def halved(shelf: Shelf) -> tuple[Shelf, Shelf]:
    """Two shelves of about as many tokens, each of whole documents; a document alone is cut where a sentence starts."""
    bounds = list(zip(shelf.starts.tolist(), shelf.ends.tolist(), strict=True))
    if len(bounds) == 1:
        inner = np.flatnonzero(np.asarray(shelf.marks) & SENTENCE)[1:]
        middle = len(shelf.ids) // 2
        cut = int(inner[np.abs(inner - middle).argmin()]) if len(inner) else middle
        bounds = [(0, cut), (cut, len(shelf.ids))]
    sides: tuple[list[tuple[int, int]], list[tuple[int, int]]] = ([], [])
    sizes = [0, 0]
    for start, end in bounds:
        side = int(sizes[1] < sizes[0])
        sides[side].append((start, end))
        sizes[side] += end - start
    first, second = (_of(shelf, side) for side in sides)
    return first, second


def _of(shelf: Shelf, bounds: list[tuple[int, int]]) -> Shelf:
    """Some documents, in memory."""
    ids = np.concatenate([np.zeros(0, np.int64), *(np.asarray(shelf.ids[a:b], dtype=np.int64) for a, b in bounds)])
    marks = np.concatenate([np.zeros(0, np.uint8), *(np.asarray(shelf.marks[a:b]) for a, b in bounds)])
    return Shelf(ids, marks, np.cumsum([b - a for a, b in bounds], dtype=np.int64), np.unique(ids))


class ShelfWriter:
    """A shelf that is filled; before it is finished it is none, also after a crash.

    Args:
        folder: is made; a shelf that is there gives way.
        limit: tokens at most; what comes beyond is left out.
    """

    def __init__(self, folder: Path, processor: Any, limit: int | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FACTS).unlink(missing_ok=True)
        self.folder, self._limit = folder, limit
        self._kind = np.uint16 if len(processor) < 2**16 else np.uint32
        self._seen = np.zeros(len(processor), dtype=bool)
        self._ends: list[int] = []
        self._size = 0
        self._ids, self._marks = (folder / "ids").open("wb"), (folder / "marks").open("wb")

    @property
    def full(self) -> bool:
        """Whether nothing more is taken."""
        return self._limit is not None and self._size >= self._limit

    def add(self, ids: np.ndarray, marks: np.ndarray) -> None:
        """A document; the last one is cut at the limit: it may be the whole corpus."""
        if self._limit is not None:
            ids, marks = ids[: self._limit - self._size], marks[: self._limit - self._size]
        if not len(ids):
            return
        self._ids.write(ids.astype(self._kind).tobytes())
        self._marks.write(marks.tobytes())
        self._seen[ids] = True
        self._size += len(ids)
        self._ends.append(self._size)

    def close(self) -> None:
        """Let go of the files."""
        self._ids.close()
        self._marks.close()

    def finish(self) -> Shelf:
        """The shelf, which now is one.

        Raises:
            DataError: there is no text.
        """
        self.close()
        self.refuse_empty()
        np.save(self.folder / "ends.npy", np.asarray(self._ends, dtype=np.int64), allow_pickle=False)
        np.save(self.folder / "used.npy", np.flatnonzero(self._seen), allow_pickle=False)
        facts = {"kind": np.dtype(self._kind).name, "tokens": self._size}
        (self.folder / FACTS).write_text(json.dumps(facts), "utf-8")
        return open_shelf(self.folder)

    def refuse_empty(self) -> None:
        """Raise DataError where there is no text."""
        if not self._size:
            raise DataError(
                "The corpus has no text to learn from.", "Give documents: text, JSON lines, CSV, also gzipped."
            )


def is_finished(folder: Path) -> bool:
    """Whether there is a whole shelf."""
    return (folder / FACTS).is_file()


def write_shelf(
    folder: Path,
    texts: Iterable[str],
    processor: Any,
    known: frozenset[str] = frozenset(),
    *,
    limit: int | None = None,
    read: Callable[[], None] | None = None,
) -> Shelf:
    """Cut a corpus into a folder, in one pass; a finished shelf that is there is taken as it is.

    Args:
        limit: tokens at most; the rest is not read.
        read: called when all is read and before the shelf counts as finished; where it raises, it never does.

    Raises:
        DataError: there is no text.
    """
    if is_finished(folder):
        return open_shelf(folder)
    with closing(ShelfWriter(folder, processor, limit)) as writer:
        for ids, marks in cut(texts, processor, known):
            writer.add(ids, marks)
            if writer.full:
                break
        writer.refuse_empty()
        if read is not None:
            read()
        return writer.finish()


def open_shelf(folder: Path) -> Shelf:
    """A finished shelf; its tokens stay on disk."""
    facts = json.loads((folder / FACTS).read_text("utf-8"))
    return Shelf(
        np.memmap(folder / "ids", dtype=facts["kind"], mode="r"),
        np.memmap(folder / "marks", dtype=np.uint8, mode="r"),
        np.load(folder / "ends.npy", allow_pickle=False),
        np.load(folder / "used.npy", allow_pickle=False),
    )
