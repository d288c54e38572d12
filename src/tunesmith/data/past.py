"""Events of a log, and what a user took before one of them. NumPy alone: a service knows histories, too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np

DAY = 86400.0


@dataclass(frozen=True)
class Interactions:
    """Events, sorted by user and within a user by time.

    Args:
        users: names, in the order in which they first stand in the file.
        user: [events], index into ``users``, ascending.
        items: [events], ids.
        times: [events], seconds, or the place in the file where there are no times.
        ratings: [events], NaN where there is none.
        timed: whether ``times`` are moments.
        source: [events], the rows of the file that they are.
    """

    users: list[str]
    user: np.ndarray
    items: list[str]
    times: np.ndarray
    ratings: np.ndarray
    timed: bool
    source: np.ndarray

    def some(self, chosen: np.ndarray) -> Interactions:
        """The events at these places, ascending; all users stay."""
        items = [self.items[i] for i in chosen]
        rest = (self.times[chosen], self.ratings[chosen], self.timed, self.source[chosen])
        return Interactions(self.users, self.user[chosen], items, *rest)

    def bounds(self) -> np.ndarray:
        """[users + 1]: the events of user u are ``bounds[u]`` to ``bounds[u + 1]``."""
        return np.searchsorted(self.user, np.arange(len(self.users) + 1))


class Past(Sequence[dict[str, Any]]):
    """What a user took before an event: a view of the log, which costs no copy.

    Args:
        log: all events.
        start: the user's first.
        stop: the event itself.
    """

    def __init__(self, log: Interactions, start: int, stop: int) -> None:
        self.log, self.start, self.stop = log, start, stop

    def __len__(self) -> int:
        return self.stop - self.start

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, index: int | slice) -> Any:
        """An event as ``{"item", "time", "rating"}``; a slice gives a list of these."""
        if isinstance(index, slice):
            return [self._event(i) for i in range(self.start, self.stop)[index]]
        return self._event(range(self.start, self.stop)[index])

    def listed(self) -> list[dict[str, Any]]:
        """All of them, as JSON values."""
        return self[:]

    def _event(self, at: int) -> dict[str, Any]:
        event: dict[str, Any] = {"item": self.log.items[at]}
        if self.log.timed:
            event["time"] = float(self.log.times[at])
        if not np.isnan(self.log.ratings[at]):
            event["rating"] = float(self.log.ratings[at])
        return event
