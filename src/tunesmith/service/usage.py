"""What was used, summed as one likes, and as CSV."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import Engine, func, select

from tunesmith.core.errors import RecipeError, did_you_mean
from tunesmith.service.metering.settle import SUMS
from tunesmith.service.store.tables import usage as table

BY = ("key", "product", "version", "day")
DIMENSIONS = ("key", "product", "version", "month", "day", "hour")


def usage(
    engine: Engine, since: date | None = None, until: date | None = None, by: Sequence[str] = BY
) -> list[dict[str, Any]]:
    """Sums of what was answered, in the order of ``by``.

    Args:
        engine: a store whose tables are there.
        since: the first day, in UTC; None: from the beginning.
        until: the last day, which is included.
        by: what gets a row of its own: some of ``DIMENSIONS``; none of them gives one row.

    Returns:
        rows with the columns of ``by`` and ``requests``, ``failed``, ``rows``, ``tokens``.

    Raises:
        RecipeError: an unknown column in ``by``, or days in the wrong order.
    """
    for name in by:
        if name not in DIMENSIONS:
            raise RecipeError(f'Usage cannot be told by "{name}".', did_you_mean(name, DIMENSIONS))
    if since and until and since > until:
        raise RecipeError(f"Usage from {since} until {until} is no time.", "Give the earlier day first.")
    names = list(dict.fromkeys("day" if name == "month" else name for name in by))
    columns = [table.c[name] for name in names]
    query = select(*columns, *(func.sum(table.c[name]).label(name) for name in SUMS)).group_by(*columns)
    if since:
        query = query.where(table.c.day >= since)
    if until:
        query = query.where(table.c.day <= until)
    sums = defaultdict[tuple[Any, ...], list[int]](lambda: [0] * len(SUMS))
    with engine.connect() as connection:
        for row in connection.execute(query).mappings():
            total = sums[tuple(f"{row['day']:%Y-%m}" if name == "month" else row[name] for name in by)]
            for place, name in enumerate(SUMS):
                total[place] += int(row[name] or 0)
    return [dict(zip((*by, *SUMS), (*key, *total), strict=True)) for key, total in sorted(sums.items())]


def csv_text(columns: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """CSV for a spreadsheet: UTF-8, a header, no cell that a spreadsheet would take for a formula.

    >>> print(csv_text(["name", "requests"], [{"name": "=1+1", "requests": 3}]), end="")
    name,requests
    '=1+1,3
    """
    out = io.StringIO()
    writer = csv.DictWriter(out, list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _harmless(value) for name, value in row.items()} for row in rows)
    return out.getvalue()


def _harmless(value: Any) -> Any:
    """Names of keys are free text, and ``=HYPERLINK(...)`` in a cell is run by whoever opens the file."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
