"""Every decision counts the same."""

from __future__ import annotations

from tunesmith.evaluation.evidence import Array
from tunesmith.evaluation.metrics.class_sums import ClassSumMetric, f1_by_class


def micro_f1(hit: Array, support: Array, predicted: Array) -> Array:
    """F1 of the counts summed over classes: [r, k] three times -> [r]. For single labels it equals accuracy."""
    return f1_by_class(hit.sum(axis=-1), support.sum(axis=-1), predicted.sum(axis=-1))


class MicroF1(ClassSumMetric):
    """F1 over all decisions. Reads ``label``, ``predicted`` or ``labels``, ``predicted_labels``."""

    name = "micro_f1"
    summary = "F1 over all decisions together: common classes count most"
    score = staticmethod(micro_f1)
