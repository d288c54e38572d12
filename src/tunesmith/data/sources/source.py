"""What a source is: a file's content as record batches, with what could not be read put aside."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, ClassVar

import pyarrow as pa

from tunesmith.data.cells import batch_of
from tunesmith.data.rows import BrokenRow

BATCH_ROWS = 8192


@dataclass
class Reading:
    """What is learned while reading."""

    encoding: str | None = None
    delimiter: str | None = None
    broken: list[BrokenRow] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    """What was mended, chosen or left out over all files, in words -> how often."""
    rows: int = 0
    """That were read, where they are read a batch at a time."""
    names: list[str] = field(default_factory=list)
    """The header, so that a file of nothing else can be told from an empty one."""

    def note(self, text: str) -> None:
        """Say something once."""
        if text not in self.notes:
            self.notes.append(text)

    def told(self) -> list[str]:
        """All notes, those of what was counted last."""
        return [*self.notes, *(f"{count:,} {what}." for what, count in self.counts.items() if count)]


class Source(ABC):
    """A file format. Its constructor's keyword arguments are its options."""

    name: ClassVar[str]
    summary: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]] = ()
    """Ends of file names, lower case, without ``.gz``."""

    @classmethod
    def recognises(cls, head: str) -> str:
        """By what the beginning of a text file shows that it is of this format, whatever it is called; "": it is not.

        Args:
            head: up to 64 KB of text, its first lines whole.
        """
        return ""

    @classmethod
    def parts(cls, files: list[str]) -> list[str]:
        """Those of the files found that hold rows, where a format keeps one thing in several files."""
        return files

    @abstractmethod
    def batches(self, path: str, reading: Reading) -> Iterator[pa.RecordBatch]:
        """The rows of one file, a batch at a time; broken rows and notes go to ``reading``.

        Raises:
            DataError: the file is not of this format.
        """


def lines_of(text: str) -> list[str]:
    """Lines as a file has them: what ends a paragraph for Unicode alone, such as U+2028, ends none."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def batched(rows: Iterable[dict[str, Any]], size: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
    """Rows as record batches."""
    remaining = iter(rows)
    while some := list(islice(remaining, size)):
        yield batch_of(some)
