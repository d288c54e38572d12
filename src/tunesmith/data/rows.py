"""Rows: an Arrow table, where it came from, and what of the file could not be read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tunesmith.core.errors import DataError, did_you_mean
from tunesmith.data.spill import Spill


@dataclass(frozen=True)
class BrokenRow:
    """A part of a file that is not a row.

    ``line`` counts records, the header included; it is the line of the file where no cell holds line breaks.
    """

    file: str
    line: int
    reason: str
    text: str
    lines: int = 1
    """Of the file, that it spans."""


@dataclass
class Origin:
    """Where rows came from, and how they were read."""

    files: list[str] = field(default_factory=list)
    format: str = ""
    encoding: str | None = None
    delimiter: str | None = None
    notes: list[str] = field(default_factory=list)
    """What was found or decided while reading, in words."""
    media: str | None = None
    """The folder that pictures and sounds lie in; None: that of the files."""


class Rows(Sequence[dict[str, Any]]):
    """A sequence of dictionaries over an Arrow table, which may be a memory-mapped file.

    Args:
        table: one row a row; texts are ``large_string``.
        origin: where it came from.
        broken: what could not be read; never part of the table.
    """

    def __init__(self, table: pa.Table, origin: Origin | None = None, broken: Sequence[BrokenRow] = ()) -> None:
        self.table = table
        self.origin = origin or Origin()
        self.broken = list(broken)

    @classmethod
    def of(cls, rows: Sequence[dict[str, Any]]) -> Rows:
        """Rows from dictionaries, for tests and small data."""
        from tunesmith.data.cells import batch_of

        return cls(pa.Table.from_batches([batch_of(list(rows))]))

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __getitem__(self, index: Any) -> Any:
        """The row at ``index`` as a dictionary; a slice gives Rows."""
        if isinstance(index, slice):
            return self.select(range(*index.indices(len(self))))
        at = index + len(self) if index < 0 else index
        if not 0 <= at < len(self):
            raise IndexError(f"row {index} of {len(self)}")
        return self.table.slice(at, 1).to_pylist()[0]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for batch in self.table.to_batches(max_chunksize=4096):
            yield from batch.to_pylist()

    @property
    def columns(self) -> list[str]:
        """Names of the columns, in the file's order."""
        return list(self.table.column_names)

    def column(self, name: str) -> pa.ChunkedArray:
        """A column by name. A missing one raises ``DataError`` that names the nearest."""
        if name not in self.columns:
            raise missing_column(name, self)
        return self.table.column(name)

    def select(self, indices: Sequence[int] | np.ndarray) -> Rows:
        """The rows at ``indices``, in that order; large selections go to a memory-mapped file."""
        chosen = np.asarray(indices, dtype=np.int64)
        if len(chosen) and np.all(np.diff(chosen) > 0):
            return self._with(_take_ascending(self.table, chosen))
        return self._with(self.table.take(pa.array(chosen)))

    def replace(self, name: str, values: pa.ChunkedArray | pa.Array) -> Rows:
        """The same rows with one column's values changed."""
        return self._with(self.table.set_column(self.columns.index(name), name, values))

    def beside(self, name: str, values: pa.ChunkedArray | pa.Array) -> Rows:
        """The same rows with one column more."""
        return self._with(self.table.append_column(name, values))

    def fingerprint(self) -> str:
        """``"sha256:..."`` of names, types and values: the same however the table is cut into chunks."""
        digest = hashlib.sha256(str(len(self)).encode())
        for name in self.columns:
            digest.update(json.dumps(name).encode() + _column_digest(self.table.column(name)))
        return f"sha256:{digest.hexdigest()}"

    def _with(self, table: pa.Table) -> Rows:
        return Rows(table, self.origin, self.broken)


def missing_column(name: str, rows: Rows) -> DataError:
    """The error for a column that is not there."""
    where = f" {rows.origin.files[0]}" if rows.origin.files else " the rows"
    return DataError(f'There is no column "{name}" in{where}.', did_you_mean(name, rows.columns))


def _take_ascending(table: pa.Table, chosen: np.ndarray) -> pa.Table:
    """Batch by batch, since ``Table.take`` joins all chunks of a column in memory first."""
    spill, start = Spill(), 0
    for batch in table.to_batches():
        end = start + batch.num_rows
        low, high = np.searchsorted(chosen, (start, end))
        if high > low:
            spill.add(batch.take(pa.array(chosen[low:high] - start)))
        start = end
    return spill.table() if spill.rows else table.slice(0, 0)


def _column_digest(column: pa.ChunkedArray) -> bytes:
    kind = column.type
    nested = pa.types.is_nested(kind)
    digests = [hashlib.sha256() for _ in range(3)]
    for chunk in column.chunks:
        texts = _as_text(chunk, nested)
        digests[0].update(np.asarray(pc.is_valid(chunk)).tobytes())
        filled = pc.fill_null(texts, "")
        digests[1].update(np.asarray(pc.binary_length(filled), dtype="<i8").tobytes())
        digests[2].update(text_bytes(filled))
    # large_string and string hold the same values, so their names must not differ here.
    name = "string" if pa.types.is_large_string(kind) else str(kind)
    return name.encode() + b"".join(d.digest() for d in digests)


def _as_text(chunk: pa.Array, nested: bool) -> pa.Array:
    if nested or pa.types.is_binary(chunk.type) or pa.types.is_large_binary(chunk.type):
        values = [None if v is None else json.dumps(v, default=repr, sort_keys=True) for v in chunk.to_pylist()]
        return pa.array(values, pa.large_string())
    return chunk.cast(pa.large_string())


def text_bytes(array: pa.Array) -> memoryview | bytes:
    """The UTF-8 bytes of a ``large_string`` array without nulls, one text after the other."""
    if len(array) == 0:
        return b""
    offsets = np.frombuffer(array.buffers()[1], dtype=np.int64)[array.offset : array.offset + len(array) + 1]
    data = array.buffers()[2]
    return b"" if data is None else memoryview(data)[int(offsets[0]) : int(offsets[-1])]
