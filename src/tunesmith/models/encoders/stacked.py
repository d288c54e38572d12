"""Pictures and sounds of several rows as one array; without torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def stacked(arrays: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray | None]:
    """Pictures of one size as one array; sounds padded to the longest, with their lengths (int64)."""
    if arrays[0].ndim == 3:
        return np.stack(arrays), None
    lengths = np.array([len(array) for array in arrays], dtype=np.int64)
    padded = np.zeros((len(arrays), int(lengths.max()), arrays[0].shape[1]), dtype=np.float32)
    for i, array in enumerate(arrays):
        padded[i, : len(array)] = array
    return padded, lengths
