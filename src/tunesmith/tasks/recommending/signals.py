"""What a ranker looks at: a number for each item of a pool, from the log, the columns and the towers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tunesmith.tasks.recommending.catalogue import Catalogue
from tunesmith.tasks.recommending.neighbours import Neighbours
from tunesmith.tasks.recommending.popularity import Popularity
from tunesmith.tasks.recommending.segments import Segments

LATEST = 5
"""Items at the end of a history that are looked at by themselves."""
FADES = 0.7
"""What each place further back among these is worth of the one after it."""
PRIOR = 5.0
"""Items of an average user that a history is mixed with before its names are counted."""
PLAIN = (
    "towers", "together", "together_lately", "after", "popular", "popular_lately", "share_lately", "new", "cold",
    "segment",
)  # fmt: skip
"""Signals that every log has; each column of the items adds one of its name."""


@dataclass(frozen=True)
class Asked:
    """A question, as signals read it.

    Args:
        history: codes, the newest last.
        time: of the question; None: after all that is known.
        user: name; None: not known.
    """

    history: np.ndarray
    time: float | None
    user: str | None


@dataclass(frozen=True)
class Known:
    """What signals are read from."""

    catalogue: Catalogue
    popularity: Popularity
    together: Neighbours
    after: Neighbours
    segments: Segments

    @property
    def names(self) -> list[str]:
        """Of the signals, in the order of their columns."""
        columns = [*self.catalogue.names, *self.catalogue.numbers]
        return [*PLAIN, *(f"{name} (column)" if name in PLAIN else name for name in columns)]

    def signals(self, asked: Asked, found: np.ndarray) -> np.ndarray:
        """float32 [pool, signals].

        Args:
            found: what ``pools`` gave of the question.
        """
        history, pool = asked.history, found[:, 0].astype(np.int64)
        count, recent = self.popularity.before(asked.time)[pool], self.popularity.recent(asked.time, pool)
        columns = [
            found[:, 1],
            *found[:, 3:6].T,
            np.log1p(count),
            np.log1p(recent),
            np.log((recent + 1) / (count + 5)),
            (count == 0).astype(np.float32),
            (self.popularity.total[pool] == 0).astype(np.float32),
            _each(self.segments.lift(asked.user, len(self.catalogue)), pool),
            *(named(codes, history, pool) for codes in self.catalogue.names.values()),
            *(nearness(values, history, pool) for values in self.catalogue.numbers.values()),
        ]
        return np.stack(columns, axis=1).astype(np.float32)

    def whole(self, history: np.ndarray) -> np.ndarray:
        """How near each item is to all of a history, [items]; the square root keeps long ones comparable."""
        near = self.together.scores(history, np.ones(len(history)))
        scaled: np.ndarray = near / np.sqrt(max(1, len(history)))
        return scaled

    def lately(self, history: np.ndarray) -> np.ndarray:
        """How near each item is to the latest ones, [items]."""
        latest = history[-LATEST:]
        return self.together.scores(latest, fading(len(latest)))

    def follows(self, history: np.ndarray) -> np.ndarray:
        """How often each item came soon after the latest ones, [items]."""
        latest = history[-LATEST:]
        return self.after.scores(latest, fading(len(latest)))


def _each(values: np.ndarray, pool: np.ndarray) -> np.ndarray:
    return values[pool] if len(values) > 1 else np.full(len(pool), values[0])


def fading(count: int) -> np.ndarray:
    """Weights of the latest places, the last one 1."""
    weights: np.ndarray = FADES ** np.arange(count - 1, -1, -1)
    return weights


def named(codes: np.ndarray, history: np.ndarray, pool: np.ndarray) -> np.ndarray:
    """How much more often a user took what an item's column names than others would have, the mean log ratio: [pool].

    Args:
        codes: [items, names of a cell], -1 where there is none.
    """
    names = int(codes.max(initial=-1)) + 1
    if not names or not len(history):
        return np.zeros(len(pool))
    usual = np.bincount(codes[codes >= 0], minlength=names) + 1.0
    usual /= usual.sum()
    mine = codes[history]
    counts = np.bincount(mine[mine >= 0], minlength=names)
    lift = np.log((counts + PRIOR * usual) / ((counts.sum() + PRIOR) * usual))
    asked = codes[pool]
    there = asked >= 0
    sums = np.where(there, lift[np.maximum(asked, 0)], 0.0).sum(1)
    found: np.ndarray = sums / np.maximum(1, there.sum(1))
    return found


def nearness(values: np.ndarray, history: np.ndarray, pool: np.ndarray) -> np.ndarray:
    """Minus how far an item's number is from those of a history, in spreads: [pool]; 0 where nothing is known."""
    mine: Sequence[float] = values[history][~np.isnan(values[history])]
    if not len(mine):
        return np.zeros(len(pool))
    found: np.ndarray = np.nan_to_num(-np.abs(values[pool] - np.mean(mine)))
    return found
