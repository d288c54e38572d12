"""Of what is there, how much was found?"""

from __future__ import annotations

from tunesmith.evaluation.evidence import Array
from tunesmith.evaluation.metrics.class_sums import ClassSumMetric
from tunesmith.evaluation.metrics.resampled import divide


def recall(hit: Array, support: Array, predicted: Array) -> Array:
    """Of the counts summed over classes (micro): [r, k] three times -> [r]; NaN where there is nothing to find."""
    return divide(hit.sum(axis=-1), support.sum(axis=-1))


class Recall(ClassSumMetric):
    """Recall over all decisions. Reads ``class_counts``, or what ``micro_f1`` reads."""

    name = "recall"
    summary = "share of what is there that is predicted"
    score = staticmethod(recall)
