"""What is known of users: who took what, in order of time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tunesmith.tasks.recommending.packed import packed, packed_texts, unpacked, unpacked_texts


@dataclass(frozen=True)
class Taken:
    """Events, sorted by user and within a user by time.

    Args:
        users: names.
        user: [events], index into ``users``.
        items: [events], codes.
        times: [events], seconds; NaN where there is none.
        ratings: [events], NaN where there is none.
    """

    users: list[str]
    user: np.ndarray
    items: np.ndarray
    times: np.ndarray
    ratings: np.ndarray

    def __post_init__(self) -> None:
        """Where each user's events begin."""
        object.__setattr__(self, "code", {name: i for i, name in enumerate(self.users)})
        object.__setattr__(self, "first", np.searchsorted(self.user, np.arange(len(self.users) + 1)))

    def __len__(self) -> int:
        return len(self.items)

    @classmethod
    def of(cls, events: Sequence[tuple[str, int, float, float]]) -> Taken:
        """From (user, item's code, time, rating), each user's in order of time or, without times, as they come."""
        names = {name: i for i, name in enumerate(dict.fromkeys(event[0] for event in events))}
        user = np.array([names[event[0]] for event in events], np.int32)
        items = np.array([event[1] for event in events], np.int32)
        times, ratings = (np.array([event[k] for event in events], np.float64) for k in (2, 3))
        order = np.lexsort((np.arange(len(events)), np.nan_to_num(times), user))
        return cls(list(names), user[order], items[order], times[order], ratings[order].astype(np.float32))

    def more(self, events: Sequence[tuple[str, int, float, float]]) -> Taken:
        """With further events."""
        own = zip(self.user.tolist(), self.items.tolist(), self.times.tolist(), self.ratings.tolist(), strict=True)
        return Taken.of([*((self.users[u], i, t, r) for u, i, t, r in own), *events])

    def holds(self, event: tuple[str, int, float, float]) -> bool:
        """Whether an event of this user, item and time is known; one without a time may be another each time."""
        at, time = self.code.get(event[0]), event[2]  # type: ignore[attr-defined]
        if at is None or np.isnan(time):
            return False
        part = slice(int(self.first[at]), int(self.first[at + 1]))  # type: ignore[attr-defined]
        return bool(((self.items[part] == event[1]) & (self.times[part] == time)).any())

    @cached_property
    def end(self) -> float:
        """The newest time; NaN where there is none."""
        times = self.times[~np.isnan(self.times)]
        return float(times.max()) if len(times) else float("nan")

    def before(self, user: str, time: float | None) -> slice:
        """Where a user's events before a moment stand; empty for one who is not known."""
        at = self.code.get(user)  # type: ignore[attr-defined]
        if at is None:
            return slice(0, 0)
        start, stop = (int(self.first[at + k]) for k in (0, 1))  # type: ignore[attr-defined]
        if time is not None and not np.isnan(self.times[start:stop]).any():
            stop = start + int(np.searchsorted(self.times[start:stop], time, "left"))
        return slice(start, stop)

    def to_state(self) -> dict[str, Any]:
        """As JSON values."""
        arrays = {name: packed(getattr(self, name)) for name in ("user", "items", "times", "ratings")}
        return {"users": packed_texts(self.users), **arrays}

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> Taken:
        """What ``to_state`` told."""
        arrays = (unpacked(state[name]) for name in ("user", "items", "times", "ratings"))
        return cls(unpacked_texts(state["users"]), *arrays)
