"""Which events of a log are held out, so that nothing is learned from what came later."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tunesmith.core.errors import DataError, RecipeError
from tunesmith.data.past import Interactions


@dataclass(frozen=True)
class Held:
    """Places of events: disjoint, ascending."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    notes: list[str]


def held_out(log: Interactions, by: str, test: float, validation: float) -> Held:
    """Divide events.

    Args:
        by: "user": each user's newest event is for testing, the one before for validation (leave-one-out by time);
            "time": all that is newer than one moment is held out, and of that each user's first is asked for.
        test: with "time" the share of events that are newer; 0: none, with "user" too.
        validation: the same of the events that are left.

    Raises:
        RecipeError: ``by`` would let the future into training.
        DataError: no user has enough events, or there are no times to divide by.
    """
    if by not in ("user", "time"):
        raise RecipeError(
            f"data.split.by={by} would put a user's later choices into training and earlier ones into the test.",
            "Use data.split.by=user (each one's newest) or data.split.by=time (all that is newer than one moment).",
        )
    return _by_user(log, test > 0, validation > 0) if by == "user" else _by_time(log, test, validation)


def _by_user(log: Interactions, test: bool, validation: bool) -> Held:
    first, end = log.bounds()[:-1], log.bounds()[1:]
    repeated = again(log)
    able = end - first >= 1 + test + validation
    notes = []
    if not able.all():
        few = int((~able).sum())
        notes.append(f"{few} users have too few rows to hold any out; all of them are for training.")
    if not able.any() and (test or validation):
        raise DataError(
            f"No user has {1 + test + validation} rows, so none can be held out.",
            "Give users with longer histories, or a test file: data.test=FILE.",
        )
    last = end[able] - 1
    parts = {"test": last if test else last[:0], "validation": (last - test) if validation else last[:0]}
    return _made(log, parts, repeated, notes)


def _by_time(log: Interactions, test: float, validation: float) -> Held:
    if not log.timed:
        raise DataError("The rows have no times to be divided by.", "Name the column: data.time=COLUMN, or by=user.")
    notes: list[str] = []
    parts, repeated = {}, again(log)
    before = np.inf
    for name, share in (("test", test), ("validation", validation)):
        left = log.times < before
        parts[name] = np.zeros(0, np.int64)
        if share <= 0:
            continue
        cut = float(np.quantile(log.times[left], 1 - share))
        late = np.flatnonzero(left & (log.times >= cut))
        _, places = np.unique(log.user[late], return_index=True)
        parts[name], before = late[places], cut
        notes.append(
            f"Held out for {name}: each user's first of {len(late):,} rows from {np.datetime64(int(cut), 's')} on."
        )
    if not (log.times < before).any():
        raise DataError("No row is older than the moment of the cut.", "Use data.split.by=user, or a smaller share.")
    held = _made(log, parts, repeated, notes)
    return Held(np.flatnonzero(log.times < before), held.validation, held.test, notes)


def again(log: Interactions) -> np.ndarray:
    """[events]: whether the user had taken the same item before."""
    seen: set[tuple[int, str]] = set()
    found = np.zeros(len(log.items), bool)
    for at, key in enumerate(zip(log.user.tolist(), log.items, strict=True)):
        found[at] = key in seen
        seen.add(key)
    return found


def _made(log: Interactions, parts: dict[str, np.ndarray], repeated: np.ndarray, notes: list[str]) -> Held:
    """Asking for what a user has taken already is no question: such events are neither learned nor tested."""
    asked = {name: places[~repeated[places]] for name, places in parts.items()}
    lost = sum(len(places) for places in parts.values()) - sum(len(places) for places in asked.values())
    if lost:
        notes.append(f"{lost} held-out rows are of an item that the user had taken before; they are not asked for.")
    held = np.concatenate(list(parts.values()))
    train = np.setdiff1d(np.arange(len(log.items)), held)
    return Held(train, np.sort(asked["validation"]), np.sort(asked["test"]), notes)
