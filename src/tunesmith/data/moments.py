"""A moment in time, however a cell spells it, as a number."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from typing import Any, Literal

Order = Literal["day", "month"]
"""What stands first in a date with slashes."""

UNITS = ((1e17, 1e9, "nanoseconds"), (1e14, 1e6, "microseconds"), (1e11, 1e3, "milliseconds"))
"""Time since 1970 from which on a unit is taken, and what brings it to seconds."""
LATEST = 1e11 - 1
"""Seconds, in the year 5138: more is no count of seconds."""
_SLASHED = re.compile(r"\s*(\d{1,2})/(\d{1,2})/\d{4}\s*")
_FORMATS = {"day": ("%d/%m/%Y",), "month": ("%m/%d/%Y",), None: ("%d/%m/%Y", "%m/%d/%Y")}
_OTHERS = ("%d.%m.%Y", "%a %b %d %H:%M:%S %z %Y")


def seconds(cell: Any, slashes: Order | None = None) -> float | None:
    """Seconds since 1970 of a date, or the number itself; None where it is neither.

    Args:
        slashes: what comes first in dates with slashes, see ``slash_order``; None: the day if it can, else the month.

    >>> seconds("1970-01-02"), seconds("2.5"), seconds("1970年1月2日"), seconds("soon")
    (86400.0, 2.5, 86400.0, None)
    >>> seconds("01/02/1970", "month"), seconds("01/13/1970", "day")
    (86400.0, None)
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
    parsers: list[Callable[[str], datetime]] = [
        datetime.fromisoformat,
        *map(_strptime, (*_FORMATS[slashes], *_OTHERS)),
    ]
    for parse in parsers:
        for candidate in (plain, text):
            try:
                moment = parse(candidate)
            except ValueError:
                continue
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return None


def asked_seconds(cell: Any) -> float | None:
    """As ``seconds``, of a question's own time, which no other cells tell the unit of: by its size.

    >>> asked_seconds(1709424000000), asked_seconds("1709424000"), asked_seconds("9999-12-31") == LATEST
    (1709424000.0, 1709424000.0, True)
    """
    found = seconds(cell)
    if found is None:
        return None
    try:
        float(str(cell))
    except ValueError:
        return min(found, LATEST)
    return next((found / scale for least, scale, _ in UNITS if abs(found) >= least), found)


def ambiguous(cell: Any) -> bool:
    """Whether a date reads otherwise with the month first.

    >>> ambiguous("01/11/2024"), ambiguous("01/13/2024"), ambiguous("11/11/2024"), ambiguous(3)
    (True, False, False, False)
    """
    found = _SLASHED.fullmatch(cell) if isinstance(cell, str) else None
    if found is None:
        return False
    one, other = int(found[1]), int(found[2])
    return one != other and 1 <= one <= 12 and 1 <= other <= 12


def slash_order(cells: Iterable[Any]) -> tuple[Order | None, str]:
    """One order for all dates with slashes of a column, and the first of them where no cell tells which it is.

    >>> slash_order(["01/11/2024", "01/13/2024"]), slash_order(["13/01/2024"]), slash_order(["01/11/2024"])
    (('month', ''), ('day', ''), ('day', '01/11/2024'))
    >>> slash_order(["2024-01-11", 3])
    (None, '')
    """
    days, months, unclear = 0, 0, ""
    any_slashed = False
    for cell in cells:
        found = _SLASHED.fullmatch(cell) if isinstance(cell, str) else None
        if found is None:
            continue
        any_slashed = True
        days += int(found[1]) > 12
        months += int(found[2]) > 12
        unclear = unclear or (cell.strip() if ambiguous(cell) else "")
    if not any_slashed:
        return None, ""
    return ("month" if months > days else "day"), ("" if days or months else unclear)


def unclear_order(example: str) -> str:
    """The note on a column in which no date tells the day from the month."""
    return f'dates such as "{example}" are read with the day first; write 2024-01-31 where that is wrong'


def _strptime(form: str) -> Callable[[str], datetime]:
    return lambda text: datetime.strptime(text, form)
