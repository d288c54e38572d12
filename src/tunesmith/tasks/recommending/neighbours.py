"""Items that the same users took: how often together, and how often soon after each other.

Together: cosine of two items' users, each user weighing the less the more they took (inverse user frequency, Breese et
al. 1998; item-based neighbours, Sarwar et al. 2001; the shrinkage of Bell & Koren 2007). After: the same of pairs that
follow within three places.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tunesmith.core.extras import need
from tunesmith.tasks.recommending.packed import packed, unpacked
from tunesmith.tasks.recommending.taken import Taken

MOST = 100
"""Neighbours that are kept of an item."""
SHRINK = 5.0
"""Common users that are worth nothing yet."""
STEPS = 3
"""Places within which an item counts as coming after."""
CELLS = 20_000_000
"""Products that are held at once."""


@dataclass(frozen=True)
class Neighbours:
    """The nearest of each item: ``codes`` int32 [items, most], -1 where none; ``near`` float32 [items, most]."""

    codes: np.ndarray
    near: np.ndarray

    def scores(self, history: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Sum over the history of how near each item is, [items].

        Args:
            history: codes.
            weights: of the places of the history.
        """
        items = len(self.codes)
        known = history[history < items]
        codes, near = self.codes[known], self.near[known] * weights[history < items][:, None]
        there = codes >= 0
        found: np.ndarray = np.bincount(codes[there], near[there], minlength=items)
        return found

    def between(self, history: np.ndarray, items: np.ndarray) -> np.ndarray:
        """How near some items are to each of the history, [items, places]."""
        same = self.codes[history] == items[:, None, None]
        found: np.ndarray = np.where(same, self.near[history], 0.0).sum(2)
        return found

    def to_state(self) -> dict[str, Any]:
        """As JSON values."""
        return {"codes": packed(self.codes), "near": packed(self.near.astype(np.float16))}

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> Neighbours:
        """What ``to_state`` told."""
        return cls(unpacked(state["codes"]), unpacked(state["near"]).astype(np.float32))

    def trimmed(self) -> Neighbours:
        """Without columns that are empty for all."""
        width = max(1, int((self.codes >= 0).sum(1).max(initial=1)))
        return Neighbours(self.codes[:, :width], self.near[:, :width])

    def grown(self, items: int) -> Neighbours:
        """With items after its own, which have none yet."""
        more = items - len(self.codes)
        return Neighbours(
            np.pad(self.codes, ((0, more), (0, 0)), constant_values=-1), np.pad(self.near, ((0, more), (0, 0)))
        )


def together(taken: Taken, items: int, *, most: int = MOST, shrink: float = SHRINK) -> Neighbours:
    """Items of the same users."""
    need("scipy", extra="train", purpose="counting what is taken together")
    from scipy.sparse import csr_matrix

    counts = np.bincount(taken.user, minlength=len(taken.users)) if len(taken) else np.zeros(0)
    worth = 1 / np.log2(2 + counts)
    shape = (len(taken.users), items)
    ones = csr_matrix((np.ones(len(taken)), (taken.user, taken.items)), shape=shape)
    ones.data[:] = 1.0
    weighed = csr_matrix((worth[taken.user], (taken.user, taken.items)), shape=shape)
    lengths = np.sqrt(np.asarray(weighed.sum(0)).ravel())
    least = shrink * float(worth.mean() if len(worth) else 0)
    return _nearest(ones.T.tocsr(), weighed, lengths, least, most).trimmed()


def after(taken: Taken, items: int, *, most: int = MOST, shrink: float = SHRINK) -> Neighbours:
    """Items that come soon after, the sooner the better."""
    need("scipy", extra="train", purpose="counting what is taken together")
    from scipy.sparse import coo_matrix

    first, then, worth = [], [], []
    for step in range(1, STEPS + 1):
        same = taken.user[step:] == taken.user[:-step]
        first.append(taken.items[:-step][same])
        then.append(taken.items[step:][same])
        worth.append(np.full(int(same.sum()), 1 / step))
    pairs = coo_matrix(
        (np.concatenate(worth), (np.concatenate(first), np.concatenate(then))), shape=(items, items)
    ).tocsr()
    counts = np.sqrt(np.maximum(1.0, np.bincount(taken.items, minlength=items)))
    return _kept(pairs, 0, counts, shrink / 4, most).trimmed()


def _nearest(ones: Any, weighed: Any, lengths: np.ndarray, shrink: float, most: int) -> Neighbours:
    """Products of blocks of items with all."""
    items = ones.shape[0]
    block = max(1, CELLS // max(1, items))
    parts = [_kept(ones[at : at + block] @ weighed, at, lengths, shrink, most) for at in range(0, items, block)]
    width = max(part.codes.shape[1] for part in parts)
    padded = [
        (np.pad(p.codes, ((0, 0), (0, width - p.codes.shape[1])), constant_values=-1),
         np.pad(p.near, ((0, 0), (0, width - p.near.shape[1]))))
        for p in parts
    ]  # fmt: skip
    return Neighbours(np.concatenate([c for c, _ in padded]), np.concatenate([n for _, n in padded]))


def _kept(products: Any, start: int, lengths: np.ndarray, shrink: float, most: int) -> Neighbours:
    """The largest of each line of a sparse matrix, made cosines."""
    rows = products.shape[0]
    codes, near = np.full((rows, most), -1, np.int32), np.zeros((rows, most), np.float32)
    for i in range(rows):
        low, high = products.indptr[i], products.indptr[i + 1]
        others = products.indices[low:high]
        values = products.data[low:high] / (lengths[start + i] * lengths[others] + shrink)
        values[others == start + i] = 0.0
        best = np.argpartition(-values, most)[:most] if len(values) > most else np.arange(len(values))
        best = best[np.lexsort((others[best], -values[best]))]
        best = best[values[best] > 0]
        codes[i, : len(best)], near[i, : len(best)] = others[best], values[best]
    return Neighbours(codes, near.astype(np.float16).astype(np.float32))  # as they are kept
