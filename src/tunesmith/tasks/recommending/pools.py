"""The items that a ranker looks at: the towers' best, and those that counting alone would name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tunesmith.tasks.recommending.retrieve import largest
from tunesmith.tasks.recommending.signals import Known

COLUMNS = ("code", "towers", "because", "together", "together_lately", "after")
"""Of a pool's array; ``because`` is the place in the history that the towers look at, -1 where there is none."""
POPULAR = 100


@dataclass(frozen=True)
class Towers:
    """What the model gave of a batch: ``users`` [rows, dim + 1], ``items`` [items, dim + 1], ``attention``."""

    users: np.ndarray
    items: np.ndarray
    attention: np.ndarray


def pool_of(
    towers: Towers, row: int, scores: np.ndarray, history: np.ndarray, asked: Allowed, known: Known, size: int
) -> np.ndarray:
    """float64 [pool, columns], by code.

    Args:
        row: of the batch.
        scores: [items], the towers'; what must not be recommended is changed to minus infinity in place.
        history: codes that the model read, the newest last.
        asked: what else counts.
        size: items that the towers name, and counting names as many as half of it.
    """
    whole, lately, follows = known.whole(history), known.lately(history), known.follows(history)
    if asked.among is not None:
        pool = np.unique(asked.among)
        kept = scores[pool]
    else:
        scores[asked.seen] = -np.inf
        named = [
            largest(scores, size),
            _best(whole + lately, size // 2),
            _best(follows, size // 4),
            known.popularity.top(asked.time, POPULAR),
        ]
        pool = np.unique(np.concatenate(named))
        pool = pool[scores[pool] > -np.inf]
        kept = scores[pool]
    because = _because(towers, row, pool, history)
    return np.stack([pool, kept, because, whole[pool], lately[pool], follows[pool]], axis=1).astype(np.float64)


@dataclass(frozen=True)
class Allowed:
    """What may be answered.

    Args:
        time: of the question; None: after all that is known.
        seen: codes that are left out.
        among: codes that alone are ranked; None: all.
    """

    time: float | None
    seen: np.ndarray
    among: np.ndarray | None


def _best(values: np.ndarray, count: int) -> np.ndarray:
    """Places of the largest that are above 0."""
    there = np.flatnonzero(values > 0)
    if len(there) <= count:
        return there
    best: np.ndarray = there[np.argpartition(-values[there], count)[:count]]
    return best


def _because(towers: Towers, row: int, pool: np.ndarray, history: np.ndarray) -> np.ndarray:
    """Which place of the history speaks most for each item: attention times likeness."""
    if not len(history):
        return np.full(len(pool), -1)
    alike = towers.items[pool, :-1] @ towers.items[history, :-1].T
    share = towers.attention[row, -len(history) :] if len(history) else towers.attention[row, :0]
    best: np.ndarray = (alike * share).argmax(1)
    return best
