"""Of what was found, how much is right?"""

from __future__ import annotations

from tunesmith.evaluation.evidence import Array
from tunesmith.evaluation.metrics.class_sums import ClassSumMetric
from tunesmith.evaluation.metrics.resampled import divide


def precision(hit: Array, support: Array, predicted: Array) -> Array:
    """Of the counts summed over classes (micro): [r, k] three times -> [r]; NaN where nothing was predicted."""
    return divide(hit.sum(axis=-1), predicted.sum(axis=-1))


class Precision(ClassSumMetric):
    """Precision over all decisions. Reads ``class_counts``, or what ``micro_f1`` reads."""

    name = "precision"
    summary = "share of what is predicted that is right"
    score = staticmethod(precision)
