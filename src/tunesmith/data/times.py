"""A column of dates or times as numbers that order rows."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tunesmith.core.errors import DataError
from tunesmith.data.rows import Rows

_FORMATS = ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%a %b %d %H:%M:%S %z %Y")


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
    for i, cell in enumerate(column.to_pylist()):
        value = _seconds(cell)
        if value is None:
            raise DataError(
                f'Row {i + 1}: {cell!r} in the column "{name}" is neither a date nor a number.',
                "Write dates as 2026-01-31 or 2026-01-31 12:00, or name another column: data.split.time=COLUMN.",
            )
        found[i] = value
    return found


def _seconds(cell: Any) -> float | None:
    text = str(cell or "").strip()
    try:
        return float(text)
    except ValueError:
        pass
    plain = re.sub(r"\s+", " ", re.sub(r"[年月/]", "-", text).replace("日", " ")).strip()
    plain = re.sub(r"-(\d)(?=\D|$)", r"-0\1", plain)
    parsers: list[Callable[[str], datetime]] = [datetime.fromisoformat, *map(_strptime, _FORMATS)]
    for parse in parsers:
        for candidate in (plain, text):
            try:
                moment = parse(candidate)
            except ValueError:
                continue
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return None


def _strptime(form: str) -> Callable[[str], datetime]:
    return lambda text: datetime.strptime(text, form)
