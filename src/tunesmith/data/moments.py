"""A moment in time, however a cell spells it, as a number."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

_FORMATS = ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%a %b %d %H:%M:%S %z %Y")


def seconds(cell: Any) -> float | None:
    """Seconds since 1970 of a date, or the number itself; None where it is neither.

    >>> seconds("1970-01-02"), seconds("2.5"), seconds("1970年1月2日"), seconds("soon")
    (86400.0, 2.5, 86400.0, None)
    """
    if isinstance(cell, date):
        moment = cell if isinstance(cell, datetime) else datetime(cell.year, cell.month, cell.day)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    text = str("" if cell is None else cell).strip()
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
