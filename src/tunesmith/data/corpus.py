"""Texts of a corpus, one after the other: nothing but the one at hand is in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice

import numpy as np
import pyarrow as pa

from tunesmith.core.errors import DataError, did_you_mean
from tunesmith.data.codes import folded_hashes
from tunesmith.data.read import batches
from tunesmith.data.sources.source import Reading
from tunesmith.data.words import TEXT, names_id, names_time, rank

COUNTED = 20_000
"""Documents up to which exactly the asked-for share is held out; of more, each by its own hash."""
TOGETHER = 1024
"""Documents whose keys are made together."""
ALWAYS = ("text", "文本")
"""Names that say the whole document. Others, a title's or a question's, may stand beside it."""
SHARED = "documents of the corpus stand in the text that is measured on, too, and are not learned"


@dataclass
class Corpus:
    """Documents of a file, glob, folder or hub id, in the order in which they stand there.

    What may be held out is told by a hash of the text without case, width, spaces and punctuation: of documents that
    are the same, all are held out or none.

    Args:
        path: text (a line is a document), JSON lines, CSV, Parquet ...; also gzipped.
        column: that holds the text; empty: guessed.
        encoding: None: detected.
        hold: share of the different documents that may be held out.
        apart: keys of documents that are not learned, as ``keys`` gives them.
    """

    path: str
    column: str = ""
    encoding: str | None = None
    hold: float = 0.0
    apart: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint64))

    def learned(self, reading: Reading | None = None) -> Iterator[str]:
        """The documents that are learned from, whatever of the others is.

        Args:
            reading: what is learned while reading is put there, how many are in ``apart`` among it.
        """
        return (text for text, key in self.divided(reading) if key is None)

    def divided(self, reading: Reading | None = None) -> Iterator[tuple[str, int | None]]:
        """All documents but those apart; those that may be held out with their key, the others with None.

        Args:
            reading: as of ``learned``.
        """
        reading = reading or Reading()
        for texts, found in self._keyed(reading):
            shared = np.isin(found, self.apart)
            reading.counts[SHARED] += int(shared.sum())
            for i in np.flatnonzero(~shared).tolist():
                yield texts[i], int(found[i]) if found[i] < self._least else None

    def held(self, reading: Reading | None = None) -> Iterator[str]:
        """The documents that may be held out to measure on; all, where no share is."""
        for texts, found in self._keyed(reading or Reading()):
            for i in range(len(texts)) if not self.hold else np.flatnonzero(found < self._least).tolist():
                yield texts[i]

    def all_keys(self) -> np.ndarray:
        """Of all documents, ascending."""
        parts = [found for _, found in self._keyed(Reading())]
        return np.unique(np.concatenate(parts)) if parts else np.zeros(0, np.uint64)

    @cached_property
    def _least(self) -> np.uint64:
        """The least key that is learned."""
        if not self.hold:
            return np.uint64(0)
        some, documents = [], 0
        for texts, found in self._keyed(Reading()):
            some.append(found)
            documents += len(texts)
            if documents > COUNTED:
                return np.uint64(self.hold * 2**64)
        every = np.unique(np.concatenate(some)) if some else np.zeros(0, np.uint64)
        count = min(max(2, round(len(every) * self.hold)), len(every) // 2)
        return np.uint64(every[count]) if count else np.uint64(0)

    def _keyed(self, reading: Reading) -> Iterator[tuple[list[str], np.ndarray]]:
        """Documents and their keys, some at a time."""
        column = self.column
        for batch in batches(self.path, encoding=self.encoding, reading=reading):
            reading.rows += batch.num_rows
            if not column:
                column = text_column(batch)
                if batch.num_columns > 1:
                    names = ", ".join(map(str, batch.schema.names))
                    reading.note(f'Of the columns {names} of {self.path}, "{column}" is read (data.text).')
            if column not in batch.schema.names:
                raise DataError(
                    f'{self.path} has no column "{column}".', did_you_mean(column, [str(n) for n in batch.schema.names])
                )
            values = batch.column(column)
            for start in range(0, len(values), TOGETHER):
                some = (self._text(value, column).strip() for value in values[start : start + TOGETHER].to_pylist())
                if texts := [text for text in some if text]:
                    yield texts, keys(texts)

    def _text(self, value: object, column: str) -> str:
        """A cell's document; paragraphs in a list are lines of it."""
        found = document(value)
        if found is None:
            raise DataError(
                f'The column "{column}" of {self.path} holds no text: {str(value)[:60]!r}.',
                "Name a column of texts, or of lists of texts: data.text=COLUMN",
            )
        return found


def document(value: object) -> str | None:
    """A cell as text; None where it is neither a text nor a list of texts.

    >>> document(["One.", "Two."]), document(None), document({"a": 1})
    ('One.\\nTwo.', '', None)
    """
    if value is None or isinstance(value, (str, int, float)):
        return "" if value is None else str(value)
    if isinstance(value, (list, tuple)) and all(one is None or isinstance(one, str) for one in value):
        return "\n".join(one for one in value if one)
    return None


def keys(texts: Sequence[str]) -> np.ndarray:
    """A 64-bit key of each text that case, width, spaces and punctuation do not change: uint64 [texts]."""
    return folded_hashes(pa.chunked_array([pa.array(texts, pa.large_string())]))


def standing_in(texts: Sequence[str], documents: Iterable[str]) -> int:
    """How many of the texts are one of the documents, which are read one after the other."""
    wanted, waiting = keys(texts), iter(documents)
    seen = np.zeros(len(wanted), dtype=bool)
    while some := list(islice(waiting, TOGETHER)):
        seen |= np.isin(wanted, keys(some))
    return int(seen.sum())


def text_column(batch: pa.RecordBatch) -> str:
    """The column of the documents: the one that is named so, or else the one with the longest texts. A name that may be
    of a part of them (title, question) counts only where its texts are at least half as long as the longest.

    Raises:
        DataError: no column holds text.
    """
    names = [str(name) for name in batch.schema.names]
    lengths = {name: _length(batch.column(name)[:100].to_pylist()) for name in names}
    rivals = {name: size for name, size in lengths.items() if not names_id(name) and not names_time(name)} or lengths
    best = max(rivals, key=lambda name: rivals[name], default="")
    ranked = sorted((place, name) for name in names if (place := rank(name, TEXT)) is not None)
    for _, name in ranked:
        if rank(name, ALWAYS) is not None or lengths[name] and 2 * lengths[name] >= rivals[best]:
            return name
    if not best or not lengths[best]:
        raise DataError(f"No column of {', '.join(names)} holds text.", "Name it: data.text=COLUMN")
    return best


def _length(values: list[object]) -> float:
    texts = [document(value) or "" for value in values if isinstance(value, (str, list))]
    return sum(map(len, texts)) / len(texts) if texts else 0.0
