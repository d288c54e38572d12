"""Share of the target's variance that is explained."""

from __future__ import annotations

import numpy as np

from tunesmith.core.contracts import Evidence
from tunesmith.evaluation.evidence import Array
from tunesmith.evaluation.metrics.resampled import REGRESSION, SumMetric, divide, variation


class R2(SumMetric):
    """Coefficient of determination; 0 for the mean, NaN for a constant target. Reads ``value``, ``predicted_value``."""

    name = "r2"
    summary = "share of the target's variance that is explained; 0 for always guessing the mean"
    needs = (REGRESSION,)

    def columns(self, evidence: Evidence) -> Array:
        """One, target, its square, squared error. The target is centred, so that its square keeps its digits."""
        y = evidence["value"].astype(np.float64)
        error = y - evidence["predicted_value"]
        centred = y - y.mean()
        return np.stack([np.ones_like(y), centred, centred**2, error**2], axis=1)

    def figure(self, sums: Array) -> Array:
        """1 - residual / total."""
        n, total, squares, residual = sums.T
        return 1 - divide(residual, variation(n, total, squares) / n)
