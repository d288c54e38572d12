"""How often an item had been taken before a moment: a question of the past never sees the future."""

from __future__ import annotations

import numpy as np

from tunesmith.tasks.recommending.taken import Taken

STEPS = 64
"""Moments between which events are counted."""
RECENT = 4
"""Steps that count as recent: a sixteenth of all events."""


class Popularity:
    """Counts of events by item, up to each of some moments.

    Args:
        taken: the log.
        items: in the catalogue.
    """

    def __init__(self, taken: Taken, items: int) -> None:
        timed = len(taken) > 0 and not np.isnan(taken.times).any()
        self.edges = np.quantile(taken.times, np.linspace(0, 1, STEPS + 1)[1:]) if timed else np.zeros(0)
        steps = np.searchsorted(self.edges, taken.times, "left") if timed else np.zeros(len(taken), np.int64)
        width = STEPS + 1 if timed else 1
        counts = np.bincount(taken.items.astype(np.int64) * width + steps, minlength=items * width)
        self.until = np.zeros((width + 1, items), np.int32)
        self.until[1:] = counts.reshape(items, width).T.cumsum(0)
        self.total = self.until[-1]
        self._top: dict[int, np.ndarray] = {}

    def before(self, time: float | None) -> np.ndarray:
        """Counts of all items before a moment, [items]; None: of all events. At most one step too few."""
        counts: np.ndarray = self.until[self._step(time)]
        return counts

    def recent(self, time: float | None, codes: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Counts of the last ``RECENT`` steps before a moment, of some items or of all."""
        step = self._step(time)
        counts: np.ndarray = self.until[step][codes] - self.until[max(0, step - RECENT)][codes]
        return counts

    def top(self, time: float | None, count: int) -> np.ndarray:
        """Codes of the items that were taken most often before a moment, half of them by the recent counts."""
        step = self._step(time)
        if step not in self._top:
            both = [
                np.argsort(-counts, kind="stable")[: count // 2] for counts in (self.before(time), self.recent(time))
            ]
            self._top[step] = np.unique(np.concatenate(both))
        return self._top[step]

    def _step(self, time: float | None) -> int:
        if time is None or not len(self.edges):
            return len(self.until) - 1
        return int(np.searchsorted(self.edges, time, "left"))
