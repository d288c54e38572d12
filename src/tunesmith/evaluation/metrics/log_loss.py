"""The price of being sure and wrong."""

from __future__ import annotations

import numpy as np

from tunesmith.core.contracts import Evidence
from tunesmith.evaluation.evidence import Array, kind_of
from tunesmith.evaluation.metrics.resampled import MULTI_WITH_PROBABILITIES, SINGLE_WITH_PROBABILITIES, MeanMetric


def log_losses(truth: Array, probabilities: Array) -> Array:
    """-log of the probability given to the truth, natural logarithm.

    Args:
        truth: int[n], or bool[n, k] for the mean over labels.
        probabilities: [n, k]; kept off 0 and 1 by the smallest step of its type, as scikit-learn does.
    """
    eps = float(np.finfo(probabilities.dtype).eps)
    p = np.clip(probabilities.astype(np.float64), eps, 1 - eps)
    if truth.ndim == 1:
        return -np.log(p[np.arange(len(p)), truth])
    mean: Array = -np.log(np.where(truth, p, 1 - p)).mean(axis=1)
    return mean


class LogLoss(MeanMetric):
    """Mean negative log-likelihood. Reads ``label`` or ``labels``, and ``probabilities``."""

    name = "log_loss"
    summary = "mean negative log of the probability given to the truth"
    higher_is_better = False
    needs = (SINGLE_WITH_PROBABILITIES, MULTI_WITH_PROBABILITIES)

    def each(self, evidence: Evidence) -> Array:
        """The loss of each row."""
        truth = evidence["labels"] if kind_of(evidence) == "multi-label" else evidence["label"]
        return log_losses(truth, evidence["probabilities"])
