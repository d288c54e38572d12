"""Read a file, many files, a folder or a hub id into Rows."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from tunesmith.core.errors import DataError
from tunesmith.core.registry import options_of
from tunesmith.data.locate import Located, locate
from tunesmith.data.rows import Origin, Rows
from tunesmith.data.sources import SOURCES
from tunesmith.data.sources.source import Reading, Source
from tunesmith.data.spill import Spill

MOST_BROKEN = 0.2
"""Share of broken rows beyond which the file is taken for something else."""


def read(
    path: str, *, encoding: str | None = None, delimiter: str | None = None, limit: int | None = None, seed: int = 13
) -> Rows:
    """The rows of ``path``: a file, a glob, a folder, or a hub id; ``PATH#NAME`` for one split of a dataset or one
    sheet of a workbook.

    Args:
        encoding: None: detected.
        delimiter: None: detected.
        limit: at most this many rows, drawn by ``seed``, in the file's order.

    Raises:
        DataError: nothing is there, it is empty, binary, or more than a fifth of it is broken.
    """
    reading, spill = Reading(), Spill()
    found = locate(path)
    for batch in _batches(found, reading, encoding, delimiter):
        spill.add(batch)
    _refuse_empty(found, spill, reading)
    refuse_broken(found, spill.rows, reading)
    notes = [*found.notes, *reading.told()]
    origin = Origin(found.files, found.format, reading.encoding, reading.delimiter, notes)
    rows = Rows(spill.table(), origin, reading.broken)
    return rows if limit is None or len(rows) <= limit else rows.select(drawn(len(rows), limit, seed))


def batches(
    path: str, *, encoding: str | None = None, delimiter: str | None = None, reading: Reading | None = None
) -> Iterator[pa.RecordBatch]:
    """The same rows a batch at a time, for what is passed through once; broken rows go to ``reading``."""
    yield from _batches(locate(path), reading or Reading(), encoding, delimiter)


def drawn(total: int, limit: int, seed: int) -> np.ndarray:
    """``limit`` of ``total`` indices, ascending, drawn by the seed."""
    return np.sort(np.random.default_rng(seed).choice(total, size=limit, replace=False))


def _batches(found: Located, reading: Reading, encoding: str | None, delimiter: str | None) -> Iterator[pa.RecordBatch]:
    source = _source(found, encoding, delimiter)
    for file in found.files:
        try:
            yield from source.batches(file, reading)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{file} cannot be read: {error}.", "Check the file and its permissions.") from error


def _source(found: Located, encoding: str | None, delimiter: str | None) -> Source:
    reads = options_of(SOURCES.load(found.format)).model_fields
    named = next((option for option in ("split", "sheet") if option in reads), None)
    if found.split is not None and named is None:
        raise DataError(
            f'{found.files[0]} is read as {found.format}, which has no part "{found.split}".',
            "#NAME names a split of a dataset or a sheet of a workbook. Leave it out, or give the file of that part.",
        )
    config, colon, split = (found.split or "").rpartition(":") if "config" in reads else ("", "", found.split)
    given: dict[str, Any] = {
        "encoding": encoding, "delimiter": delimiter, named or "": split or None, "config": config if colon else None,
    }  # fmt: skip
    source: Source = SOURCES.make(found.format, {k: v for k, v in given.items() if v is not None and k in reads})
    return source


def _refuse_empty(found: Located, spill: Spill, reading: Reading) -> None:
    if spill.rows:
        return
    files = ", ".join(found.files[:3])
    if reading.broken:
        refuse_broken(found, 0, reading)
    if reading.names:
        raise DataError(
            f"{files} has a header ({', '.join(reading.names)}) and no rows.", "Add rows, or check the export."
        )
    raise DataError(f"{files} is empty.", "Check the export that should have written it.")


def refuse_broken(found: Located, good: int, reading: Reading) -> None:
    """An error where more than the usual share of a file is broken.

    Args:
        good: rows that are not.

    Raises:
        DataError: with the longest broken row.
    """
    broken = sum(row.lines for row in reading.broken)
    if broken <= MOST_BROKEN * (good + broken):
        return
    first = max(reading.broken, key=lambda row: row.lines)
    raise DataError(
        f"{first.file}: {broken} of {good + broken} rows are broken; "
        f"{'the first' if first.lines == 1 else 'the longest'}, line {first.line}: {first.reason}.",
        f"Read as {found.format}, delimiter {reading.delimiter!r}, encoding {reading.encoding}. "
        "Where that is wrong, set data.delimiter or data.encoding.",
    )
