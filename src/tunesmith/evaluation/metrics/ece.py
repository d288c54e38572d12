"""Does "90% sure" mean right nine times of ten?"""

from __future__ import annotations

import numpy as np

from tunesmith.core.contracts import Evidence
from tunesmith.evaluation.evidence import Array, decisions, one_hot
from tunesmith.evaluation.metrics.resampled import (
    HIT_WITH_CONFIDENCE,
    MULTI_WITH_PROBABILITIES,
    SINGLE_WITH_PROBABILITIES,
    SumMetric,
)

BINS = 15


def bin_of(confidence: Array, bins: int = BINS) -> Array:
    """The bin of equal width, ((m - 1) / bins, m / bins], that each confidence falls into, from 0."""
    index: Array = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    return index


def gaps(confidence: Array, correct: Array, bins: int = BINS) -> Array:
    """Each row's confidence minus correctness, in the column of its bin: [n, d] twice -> [n, bins]."""
    columns = np.zeros((len(confidence), bins))
    for sure, right in zip(confidence.T, correct.T, strict=True):
        columns += one_hot(bin_of(sure, bins), bins) * (sure - right)[:, None]
    return columns


class Ece(SumMetric):
    """Expected calibration error (Guo et al. 2017, eq. 3), 15 bins of equal width.

    Reads ``label``, ``predicted``, ``probabilities``; for multi-label evidence each label is one decision,
    and for ``hit`` and ``confidence`` each row.
    """

    name = "ece"
    summary = "expected calibration error: how far confidence is from being right, on average"
    higher_is_better = False
    needs = (SINGLE_WITH_PROBABILITIES, MULTI_WITH_PROBABILITIES, HIT_WITH_CONFIDENCE)

    def columns(self, evidence: Evidence) -> Array:
        """The gap in each bin, and the row's decisions."""
        confidence, correct = decisions(evidence)
        per_row = np.full((len(confidence), 1), confidence.shape[1], dtype=np.float64)
        return np.concatenate([gaps(confidence, correct), per_row], axis=1)

    def figure(self, sums: Array) -> Array:
        """Sum of the bins' absolute gaps, over the decisions."""
        error: Array = np.abs(sums[:, :-1]).sum(axis=1) / sums[:, -1]
        return error
