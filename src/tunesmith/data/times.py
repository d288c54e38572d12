"""A column of dates or times as numbers that order rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tunesmith.core.errors import DataError
from tunesmith.data.moments import seconds, slash_order, unclear_order
from tunesmith.data.rows import Rows


def times(rows: Rows, name: str) -> np.ndarray:
    """Seconds, or the numbers themselves. Shape [rows], float64.

    Raises:
        DataError: a cell is neither a number nor a date; its row is named.
    """
    column = rows.column(name)
    if pa.types.is_temporal(column.type):
        column = column.cast(pa.timestamp("us")).cast(pa.int64())
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        return np.asarray(pc.fill_null(column.cast(pa.float64()), 0.0))
    found = np.zeros(len(rows))
    cells = column.to_pylist()
    order, _ = slash_order(cells)
    for i, cell in enumerate(cells):
        value = seconds(cell, order)
        if value is None:
            raise DataError(
                f'Row {i + 1}: {cell!r} in the column "{name}" is neither a date nor a number.',
                "Write dates as 2026-01-31 or 2026-01-31 12:00, or name another column: data.split.time=COLUMN.",
            )
        found[i] = value
    return found


def notes_on_times(rows: Rows, name: str) -> list[str]:
    """What was taken for granted of a column's dates, in words."""
    column = rows.column(name)
    _, unclear = slash_order(column.to_pylist()) if not pa.types.is_primitive(column.type) else (None, "")
    return [f"{name}: {unclear_order(unclear)}."] if unclear else []
