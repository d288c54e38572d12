"""Every class counts the same, however rare."""

from __future__ import annotations

import numpy as np

from tunesmith.evaluation.evidence import Array
from tunesmith.evaluation.metrics.class_sums import ClassSumMetric, f1_by_class


def macro_f1(hit: Array, support: Array, predicted: Array) -> Array:
    """Mean F1 of the classes that are present or predicted: [r, k] three times -> [r].

    A class that is neither says nothing about the model and is left out, as scikit-learn does for single labels.
    """
    f1 = f1_by_class(hit, support, predicted)
    seen = ~np.isnan(f1)
    mean: Array = np.where(seen, f1, 0).sum(axis=-1) / np.maximum(seen.sum(axis=-1), 1)
    return mean


class MacroF1(ClassSumMetric):
    """Mean of the classes' F1. Reads ``label``, ``predicted`` or ``labels``, ``predicted_labels``."""

    name = "macro_f1"
    summary = "mean of the classes' F1: rare classes count as much as common ones"
    score = staticmethod(macro_f1)
