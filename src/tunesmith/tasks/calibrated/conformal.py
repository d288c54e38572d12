"""Sets of labels that hold the right one as often as was asked for, whatever the model is worth.

Split conformal prediction with the least ambiguous sets (Sadinle, Lei and Wasserman 2019): a label is in the set where
its probability reaches a level that is learned on rows of their own. A set may be empty: no label is as likely as right
labels are.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def fit_level(probabilities: NDArray[np.float64], labels: NDArray[np.int64], coverage: float) -> float:
    """The probability from which on a label is in the set; 0 where there are too few rows to leave any out.

    Args:
        probabilities: [rows, classes].
        labels: [rows].
        coverage: share of rows whose set is to hold the right label, for rows like these.

    >>> p = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6]])
    >>> fit_level(p, np.array([0, 0, 1, 1]), coverage=0.75)
    0.6
    >>> fit_level(p, np.array([0, 0, 1, 1]), coverage=0.9)
    0.0
    """
    right = np.sort(probabilities[np.arange(len(labels)), labels])
    left_out = math.floor((len(right) + 1) * (1 - coverage) + 1e-9)
    return float(right[left_out - 1]) if left_out else 0.0


def sets(probabilities: NDArray[np.float64], level: float) -> NDArray[np.bool_]:
    """Which labels are in the set: [..., classes]."""
    return probabilities >= level
