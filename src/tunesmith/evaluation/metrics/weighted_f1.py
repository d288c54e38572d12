"""Every class counts by its rows."""

from __future__ import annotations

import numpy as np

from tunesmith.evaluation.evidence import Array
from tunesmith.evaluation.metrics.class_sums import ClassSumMetric, f1_by_class
from tunesmith.evaluation.metrics.resampled import divide


def weighted_f1(hit: Array, support: Array, predicted: Array) -> Array:
    """Mean F1 of the classes weighted by their support: [r, k] three times -> [r]."""
    f1 = np.nan_to_num(f1_by_class(hit, support, predicted))
    return divide((f1 * support).sum(axis=-1), support.sum(axis=-1))


class WeightedF1(ClassSumMetric):
    """Mean of the classes' F1 by support. Reads ``label``, ``predicted`` or ``labels``, ``predicted_labels``."""

    name = "weighted_f1"
    summary = "mean of the classes' F1, weighted by how many rows each has"
    score = staticmethod(weighted_f1)
