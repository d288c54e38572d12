"""From which confidence on answers may be taken, so that few of those are wrong."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LOOKS = 20
"""Thresholds that are looked at: each takes another twentieth of the rows."""


def upper_bound(wrong: int, rows: int, doubt: float) -> float:
    """The largest share of errors that ``wrong`` of ``rows`` do not rule out (Clopper and Pearson 1934).

    >>> round(upper_bound(0, 114, 0.1), 3)
    0.02
    """
    from scipy.stats import beta

    return 1.0 if wrong >= rows else float(beta.ppf(1 - doubt, wrong + 1, rows - wrong))


def fit_threshold(
    confidence: NDArray[np.float64], correct: NDArray[np.bool_], error: float, certainty: float
) -> float | None:
    """The lowest confidence that may be taken; None where no threshold keeps the promise.

    A few thresholds are looked at, each by a bound on the error that leaves it an equal part of the doubt; the one that
    takes most answers is chosen. As in "selective guaranteed risk" (Geifman and El-Yaniv 2017), but it need not hold
    that the error falls as confidence rises.

    Args:
        confidence: [rows].
        correct: [rows].
        error: share of wrong answers among those that are taken, at most.
        certainty: with which that holds for rows like these.
    """
    if not len(confidence):
        return None
    order = np.argsort(-confidence, kind="stable")
    sure, wrong = confidence[order], np.cumsum(~correct[order])
    # Rows that are equally sure are taken together.
    ends = np.append(np.flatnonzero(np.diff(sure)), len(sure) - 1)
    wanted = np.ceil(len(sure) * np.arange(1, LOOKS + 1) / LOOKS) - 1
    places = sorted(set(np.searchsorted(ends, wanted).clip(max=len(ends) - 1).tolist()), reverse=True)
    doubt = (1 - certainty) / len(places)
    for end in (int(ends[place]) for place in places):
        if upper_bound(int(wrong[end]), end + 1, doubt) <= error:
            return float(sure[end])
    return None
