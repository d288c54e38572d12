"""A share of rows drawn by a seed: every stratum by the same share, whole groups at a time."""

from __future__ import annotations

import numpy as np

from tunesmith.data.codes import GOLDEN, mix


def draw(
    pool: np.ndarray, links: np.ndarray, strata: np.ndarray, share: float, *, seed: int, largest: float
) -> np.ndarray:
    """Draw from a pool of rows. Where every stratum is too small to give any, from all together.

    Args:
        pool: rows to draw from, ascending.
        links: the group of every row, [rows].
        strata: the stratum of every row, [rows]; a group belongs to that of its first row in the pool.
        share: of the pool.
        seed: the same seed draws the same rows on every machine.
        largest: a group above this part of what is wanted of its stratum is not drawn.

    Returns:
        the rows drawn, ascending.
    """
    heads, first, sizes = np.unique(links[pool], return_index=True, return_counts=True)
    keys = mix((heads.astype(np.uint64) + np.uint64(1)) * GOLDEN + np.uint64(seed % 2**63))
    of_group = strata[pool[first]]
    order = np.lexsort((heads, keys, of_group))
    chosen = np.zeros(len(heads), bool)
    for part in np.split(order, np.flatnonzero(np.diff(of_group[order])) + 1):
        chosen[_fill(part, sizes, share, largest)] = True
    if not chosen.any():
        able = _all_but_one(np.lexsort((heads, keys)), of_group)
        chosen[_fill(able, sizes, share * sizes.sum() / max(1, sizes[able].sum()), largest)] = True
    drawn: np.ndarray = pool[np.isin(links[pool], heads[chosen])]
    return drawn


def newest(pool: np.ndarray, times: np.ndarray, share: float) -> np.ndarray:
    """The last share of a pool by time, ascending by row."""
    ordered = pool[np.argsort(times[pool], kind="stable")]
    return np.sort(ordered[len(ordered) - round(share * len(pool)) :])


def _all_but_one(order: np.ndarray, of_group: np.ndarray) -> np.ndarray:
    """Groups in drawn order without the last one of each stratum: what is left has a row of each."""
    last = {int(of_group[group]): int(group) for group in order}
    return np.array([group for group in order if last[int(of_group[group])] != group], np.int64)


def _fill(part: np.ndarray, sizes: np.ndarray, share: float, largest: float) -> np.ndarray:
    """Groups of one stratum in drawn order, each if it still fits. From three groups on, at least one is drawn."""
    total = int(sizes[part].sum())
    wanted = round(share * total) or int(len(part) >= 3)
    most = max(1.0, largest * wanted)
    chosen, filled = [], 0
    for group, size in zip(part.tolist(), sizes[part].tolist(), strict=True):
        if size <= most and filled + size <= wanted:
            chosen.append(group)
            filled += size
    if not chosen and len(part) >= 3:
        chosen = [int(part[np.argmin(sizes[part])])]
    return np.array(chosen, np.int64)
