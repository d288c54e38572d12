"""Correlation of truth and prediction, which a majority guess cannot raise."""

from __future__ import annotations

import numpy as np

from tunesmith.evaluation.evidence import Array
from tunesmith.evaluation.metrics.class_sums import ClassSumMetric
from tunesmith.evaluation.metrics.resampled import SINGLE


def mcc(hit: Array, support: Array, predicted: Array) -> Array:
    """Matthews correlation for k classes (Gorodkin 2004, R_K): [r, k] three times -> [r].

    0 where all rows, or all predictions, are of one class.
    """
    rows = support.sum(axis=-1)
    above = hit.sum(axis=-1) * rows - (support * predicted).sum(axis=-1)
    below = np.sqrt((rows**2 - (predicted**2).sum(axis=-1)) * (rows**2 - (support**2).sum(axis=-1)))
    correlation: Array = np.divide(above, below, out=np.zeros_like(above), where=below > 0)
    return correlation


class Mcc(ClassSumMetric):
    """Matthews correlation coefficient. Reads ``label``, ``predicted``."""

    name = "mcc"
    summary = "correlation of truth and prediction, -1 to 1; 0 for a majority guess"
    needs = (SINGLE,)
    score = staticmethod(mcc)
