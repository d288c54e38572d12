"""Squared distance of probabilities from the truth."""

from __future__ import annotations

import numpy as np

from tunesmith.core.contracts import Evidence
from tunesmith.evaluation.evidence import Array, kind_of, one_hot
from tunesmith.evaluation.metrics.resampled import MULTI_WITH_PROBABILITIES, SINGLE_WITH_PROBABILITIES, MeanMetric


class Brier(MeanMetric):
    """Brier score (Brier 1950): squared error summed over classes, 0 to 2, also with two classes.

    Reads ``label`` and ``probabilities``; for multi-label ``labels``, and the mean over labels.
    """

    name = "brier"
    summary = "squared error of the probabilities, summed over classes"
    higher_is_better = False
    needs = (SINGLE_WITH_PROBABILITIES, MULTI_WITH_PROBABILITIES)

    def each(self, evidence: Evidence) -> Array:
        """The squared error of each row."""
        p = evidence["probabilities"].astype(np.float64)
        if kind_of(evidence) == "multi-label":
            mean: Array = ((p - evidence["labels"]) ** 2).mean(axis=1)
            return mean
        total: Array = ((p - one_hot(evidence["label"], p.shape[1])) ** 2).sum(axis=1)
        return total
