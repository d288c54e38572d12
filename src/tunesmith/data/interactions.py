"""A log of who took what and when: events in order of time, each user's beside each other."""

from __future__ import annotations

import time as clock
from collections.abc import Mapping
from typing import Any

import numpy as np

from tunesmith.core.errors import DataError
from tunesmith.data.moments import UNITS
from tunesmith.data.past import DAY, Interactions, Past
from tunesmith.data.rows import BrokenRow, Rows

SINCE_1980 = 3.2e8
"""Seconds: a median below is a count of something, which cannot lie in the future."""


def interactions(rows: Rows, notes: list[str], now: float | None = None) -> tuple[Interactions, list[BrokenRow]]:
    """The log in a table whose columns are called as their roles; what lies in the future is left out.

    Args:
        notes: takes what was found and left out, in words.
        now: seconds; None: the clock's.

    Returns:
        the events, and the rows that were left out.

    Raises:
        DataError: no row is left.
    """
    there = set(rows.columns)
    users, items = (rows.column(role).to_pylist() for role in ("user", "item"))
    timed = "time" in there and rows.column("time").null_count == 0
    if "time" in there and not timed:
        raise DataError(
            f"{rows.column('time').null_count} of {len(rows)} rows have no time.",
            "Give every row one, leave those rows out, or leave the column out with data.time=null.",
        )
    times = _in_seconds(_floats(rows, "time"), notes) if timed else np.arange(len(rows), dtype=np.float64)
    ratings = _floats(rows, "rating") if "rating" in there else np.full(len(rows), np.nan)
    kept, broken = _not_in_future(rows, times, notes, now) if timed else (np.arange(len(rows)), [])
    names = {name: i for i, name in enumerate(dict.fromkeys(users[i] for i in kept))}
    code = np.array([names[users[i]] for i in kept], dtype=np.int64)
    order = np.lexsort((np.arange(len(kept)), times[kept], code))
    places = kept[order]
    log = Interactions(
        list(names), code[order], [items[i] for i in places], times[places], ratings[places].astype(np.float32), timed,
        places,
    )  # fmt: skip
    return log, broken


def rows_of(log: Interactions, places: np.ndarray, *, listed: bool = False) -> list[Mapping[str, Any]]:
    """The task's rows of some events: what was taken, by whom, after what.

    Args:
        places: of the events.
        listed: histories as lists, which JSON can hold; else as views.
    """
    first = log.bounds()
    made: list[Mapping[str, Any]] = []
    for at in places.tolist():
        past = Past(log, int(first[log.user[at]]), at)
        event = Past(log, at, at + 1)[0]
        made.append({"user": log.users[log.user[at]], **event, "history": past.listed() if listed else past})
    return made


def _floats(rows: Rows, name: str) -> np.ndarray:
    return np.array([np.nan if v is None else float(v) for v in rows.column(name).to_pylist()], dtype=np.float64)


def _in_seconds(times: np.ndarray, notes: list[str]) -> np.ndarray:
    """By the median, all of one unit."""
    middle = float(np.median(np.abs(times))) if len(times) else 0.0
    for least, scale, unit in UNITS:
        if middle >= least:
            notes.append(f"Times are read as {unit} since 1970.")
            return times / scale
    return times


def _not_in_future(
    rows: Rows, times: np.ndarray, notes: list[str], now: float | None
) -> tuple[np.ndarray, list[BrokenRow]]:
    """Places of the rows that are not; a day is allowed for clocks of other zones."""
    limit = (clock.time() if now is None else now) + DAY
    late = times > limit if len(times) and np.median(times) > SINCE_1980 else np.zeros(len(times), bool)
    if not late.any():
        return np.arange(len(times)), []
    first = int(np.flatnonzero(late)[0])
    when = np.datetime64(int(times[first]), "s")
    told = f"the first is row {first + 1}, at {when}"
    if late.all():
        raise DataError(
            f"All {len(times)} rows lie in the future; {told}.", "Check the column of times: data.time=COLUMN."
        )
    notes.append(f"{int(late.sum())} rows with a time in the future were left out; {told}.")
    file = rows.origin.files[0] if rows.origin.files else ""
    broken = [
        BrokenRow(file, int(i) + 1, "the time lies in the future", f"{np.datetime64(int(times[i]), 's')}")
        for i in np.flatnonzero(late)
    ]
    return np.flatnonzero(~late), broken
