"""McNemar's test: of the rows that only one of two models answers right, does one model have more than its half?"""

from __future__ import annotations

from math import exp, lgamma, log

import numpy as np

from tunesmith.evaluation.evidence import Array


def mcnemar(fixed: int, broken: int, *, mid_p: bool = True) -> float:
    """Two-sided p-value of ``fixed`` rows gained against ``broken`` rows lost (McNemar 1947), from the binomial.

    Args:
        fixed: rows that only the second model answers right.
        broken: rows that only the first model answers right.
        mid_p: count the observed split half (Fagerland, Lydersen and Laake 2013): the exact test is too careful.

    >>> round(mcnemar(8, 1, mid_p=False), 4), mcnemar(0, 0)
    (0.0391, 1.0)
    """
    discordant = fixed + broken
    if discordant == 0:
        return 1.0
    few = min(fixed, broken)
    tail = float(np.sum([_binomial_half(i, discordant) for i in range(few + 1)]))
    at = _binomial_half(few, discordant)
    if fixed == broken:
        return 1.0 - 0.5 * at if mid_p else 1.0
    return min(1.0, 2 * tail - at if mid_p else 2 * tail)


def discordant_rows(before: Array, after: Array) -> tuple[int, int]:
    """Rows that only ``after`` answers right, and those that only ``before`` does; bool[n] each."""
    return int((after & ~before).sum()), int((before & ~after).sum())


def _binomial_half(k: int, n: int) -> float:
    return exp(lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) - n * log(2))
