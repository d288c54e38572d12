"""The best of many items for many users, exactly: block after block, and only the blocks that can hold one.

Of 100,000 items the slow part is not the product but finding its largest numbers. The largest of each block are found
first; the best ``count`` of these name the blocks in which all of the best ``count`` items must be.
"""

from __future__ import annotations

import numpy as np

BLOCK = 64
"""Items whose largest score stands for all of them."""


def largest(scores: np.ndarray, count: int) -> np.ndarray:
    """The places of the largest numbers of each row, ascending by place: int64 [rows, count].

    >>> largest(np.array([[0.1, 0.9, 0.3, 0.8]]), 2)
    array([[1, 3]])
    """
    rows, items = scores.shape
    count = min(count, items)
    if items <= 4 * BLOCK * max(1, count // 8):
        return np.sort(np.argpartition(-scores, count - 1, axis=1)[:, :count], axis=1)
    blocks = -(-items // BLOCK)
    whole = items // BLOCK
    tops = np.full((rows, blocks), -np.inf, scores.dtype)
    tops[:, :whole] = scores[:, : whole * BLOCK].reshape(rows, whole, BLOCK).max(2)
    if whole < blocks:
        tops[:, -1] = scores[:, whole * BLOCK :].max(1)
    chosen = (
        np.argpartition(-tops, count - 1, axis=1)[:, :count]
        if count < blocks
        else np.tile(np.arange(blocks), (rows, 1))
    )
    places = (chosen[:, :, None] * BLOCK + np.arange(BLOCK)).reshape(rows, -1)
    inside = places < items
    values = np.where(inside, np.take_along_axis(scores, np.minimum(places, items - 1), 1), -np.inf)
    best = np.argpartition(-values, count - 1, axis=1)[:, :count]
    return np.sort(np.take_along_axis(places, best, 1), axis=1)
