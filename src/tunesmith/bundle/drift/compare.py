"""Two samples: do they come from one source? Tests that need NumPy alone, as a service may have no more."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FEW = 5.0
"""Values that are expected less often than this are counted together."""


@dataclass(frozen=True)
class Difference:
    """Between two samples.

    Args:
        size: from 0 (the same) to 1 (nothing in common).
        p: how probable so large a difference is where both come from one source.
    """

    size: float
    p: float


def of_numbers(one: NDArray[Any], other: NDArray[Any], first: int | None = None) -> Difference:
    """Kolmogorov and Smirnov's test, with Stephens' (1970) approximation of its p-value.

    Args:
        one: a sorted sample, or evenly spaced quantiles of a larger one.
        other: a sample.
        first: rows of the first sample, where ``one`` is its quantiles.

    >>> same, moved = np.linspace(0, 1, 400), np.linspace(0.2, 1.2, 400)
    >>> of_numbers(same, same).p, round(of_numbers(same, moved).size, 1), of_numbers(same, moved).p < 1e-6
    (1.0, 0.2, True)
    """
    n, m = first or len(one), len(other)
    if not n or not m:
        return Difference(0.0, 1.0)
    other = np.sort(other)
    every = np.concatenate([one, other])
    shares = (np.searchsorted(side, every, "right") / len(side) for side in (one, other))
    size = float(np.abs(next(shares) - next(shares)).max())
    root = math.sqrt(n * m / (n + m))
    scaled = (root + 0.12 + 0.11 / root) * size
    terms = ((-1) ** (j - 1) * math.exp(-2 * (j * scaled) ** 2) for j in range(1, 101))
    # The series does not converge near 0, where the answer is 1.
    return Difference(size, min(1.0, max(0.0, 2 * sum(terms))) if scaled > 0.2 else 1.0)


def of_words(one: Mapping[str, int], other: Mapping[str, int]) -> Difference:
    """The chi-squared test on counts; the size is the total variation distance.

    >>> of_words({"a": 50, "b": 50}, {"a": 50, "b": 50}).p
    1.0
    >>> of_words({"a": 500, "b": 500}, {"a": 90, "c": 10}).size
    0.5
    """
    n, m = sum(one.values()), sum(other.values())
    if not n or not m:
        return Difference(0.0, 1.0)
    names = sorted({*one, *other})
    size = sum(abs(one.get(name, 0) / n - other.get(name, 0) / m) for name in names) / 2
    small = min(n, m) / (n + m)
    cells: dict[str, list[int]] = {}
    for name in names:
        both = [one.get(name, 0), other.get(name, 0)]
        cell = cells.setdefault(name if sum(both) * small >= FEW else "", [0, 0])
        cell[0], cell[1] = cell[0] + both[0], cell[1] + both[1]
    chi = 0.0
    for pair in cells.values():
        for count, rows in zip(pair, (n, m), strict=True):
            expected = sum(pair) * rows / (n + m)
            chi += (count - expected) ** 2 / expected
    return Difference(size, chi_squared_tail(chi, len(cells) - 1))


def chi_squared_tail(value: float, degrees: float) -> float:
    """Probability of a larger value, after Wilson and Hilferty (1931); degrees need not be a whole number."""
    if degrees <= 0 or value <= 0:
        return 1.0
    spread = 2 / (9 * degrees)
    z = ((value / degrees) ** (1 / 3) - (1 - spread)) / math.sqrt(spread)
    return math.erfc(z / math.sqrt(2)) / 2
