"""Some of the rows: drawn, as a file may have all of a class beside each other; and always the same ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tunesmith.core.contracts import Row

SEED = 13


def places(count: int, most: int) -> list[int]:
    """Of ``most`` of ``count`` rows, or of all where there are fewer; in the rows' order.

    >>> places(3, 5)
    [0, 1, 2]
    """
    return sorted(np.random.default_rng(SEED).permutation(count)[:most].tolist())


def drawn(rows: Sequence[Row], most: int) -> list[Row]:
    """So many of the rows."""
    return [rows[i] for i in places(len(rows), most)]
