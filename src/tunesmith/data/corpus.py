"""Texts of a corpus, one after the other: nothing but the one at hand is in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tunesmith.core.errors import DataError, did_you_mean
from tunesmith.data.read import batches
from tunesmith.data.sources.source import Reading
from tunesmith.data.words import TEXT, rank

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass
class Corpus:
    """Documents of a file, glob, folder or hub id, in the order in which they stand there.

    Args:
        path: text (a line is a document), JSON lines, CSV, Parquet ...; also gzipped.
        column: that holds the text; empty: guessed.
        encoding: None: detected.
        hold: every ``hold``-th document is held out; 0: none is.
    """

    path: str
    column: str = ""
    encoding: str | None = None
    hold: int = 0
    reading: Reading = field(default_factory=Reading)

    def learned(self) -> Iterator[str]:
        """The documents that are learned from."""
        return (text for i, text in enumerate(self._texts()) if not self._is_held(i))

    def held(self) -> Iterator[str]:
        """The documents that are held out."""
        return (text for i, text in enumerate(self._texts()) if self._is_held(i))

    def _is_held(self, index: int) -> bool:
        return bool(self.hold) and index % self.hold == self.hold - 1

    def _texts(self) -> Iterator[str]:
        self.reading = Reading()
        column = self.column
        for batch in batches(self.path, encoding=self.encoding, reading=self.reading):
            column = column or text_column(batch)
            if column not in batch.schema.names:
                raise DataError(
                    f'{self.path} has no column "{column}".', did_you_mean(column, [str(n) for n in batch.schema.names])
                )
            for value in batch.column(column):
                text = str(value.as_py() or "").strip()
                if text:
                    yield text


def text_column(batch: pa.RecordBatch) -> str:
    """The column of the documents: the one that is named so, or else the one with the longest texts.

    Raises:
        DataError: no column holds text.
    """
    names = [str(name) for name in batch.schema.names]
    ranked = [(place, name) for name in names if (place := rank(name, TEXT)) is not None]
    if ranked:
        return min(ranked)[1]
    lengths = {name: _length(batch.column(name)[:100].to_pylist()) for name in names}
    best = max(lengths, key=lambda name: lengths[name], default="")
    if not best or not lengths[best]:
        raise DataError(f"No column of {', '.join(names)} holds text.", "Name it: data.text=COLUMN")
    return best


def _length(values: list[object]) -> float:
    texts = [value for value in values if isinstance(value, str)]
    return sum(map(len, texts)) / len(texts) if texts else 0.0
