"""Figures as they are compared when the best of several is kept."""

from __future__ import annotations

DIGITS = 9


def comparable(value: float) -> float:
    """Without the last bits: sums of the same numbers in another order differ there, and chance would choose.

    >>> comparable(0.9555555555555556) == comparable(0.9555555555555555)
    True
    """
    return round(value, DIGITS)
