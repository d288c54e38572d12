"""The minute, the day and the calendar month in which a moment lies, all in UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

NAMES = ("month", "day", "minute")
"""The longest first: who has used up a month is told so, and not to come back in a minute."""


@dataclass(frozen=True)
class Window:
    """A span of time.

    Args:
        name: of ``NAMES``.
        start: its first second since 1970.
        end: the first second after it, when counting begins anew.
    """

    name: str
    start: int
    end: int


def window(name: str, now: float) -> Window:
    """The window of that name around a moment.

    >>> window("minute", 61.5)
    Window(name='minute', start=60, end=120)
    >>> leap = datetime(2028, 2, 29, 12, tzinfo=UTC).timestamp()
    >>> [datetime.fromtimestamp(at, UTC).day for at in (window("day", leap).end, window("month", leap).start)]
    [1, 1]
    """
    if name == "minute":
        start = int(now // 60) * 60
        return Window(name, start, start + 60)
    day = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if name == "day":
        first, last = day, day + timedelta(days=1)
    else:
        first = day.replace(day=1)
        last = (first + timedelta(days=31)).replace(day=1)
    return Window(name, int(first.timestamp()), int(last.timestamp()))


def in_words(seconds: float) -> str:
    """A time to wait, for people.

    >>> in_words(42), in_words(3700), in_words(90000)
    ('42 s', '1 h 2 min', '1 d 1 h')
    """
    left = max(1, round(seconds))
    for unit, size, below, inner in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if left >= size:
            return f"{left // size} {unit} {-(-(left % size) // inner)} {below}"
    return f"{left} s"
