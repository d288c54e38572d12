"""Linear correlation of prediction and target."""

from __future__ import annotations

import numpy as np

from tunesmith.core.contracts import Evidence
from tunesmith.evaluation.evidence import Array
from tunesmith.evaluation.metrics.resampled import REGRESSION, SumMetric, divide, variation


def correlation(n: Array, x: Array, y: Array, xx: Array, yy: Array, xy: Array) -> Array:
    """Pearson's r from sums; NaN where either side is constant."""
    return divide(n * xy - x * y, np.sqrt(variation(n, x, xx) * variation(n, y, yy)))


class Pearson(SumMetric):
    """Pearson's r; NaN where predictions are constant. Reads ``value``, ``predicted_value``."""

    name = "pearson"
    summary = "linear correlation of prediction and target"
    needs = (REGRESSION,)

    def columns(self, evidence: Evidence) -> Array:
        """One, both sides, their squares and product; centred, so that squares keep their digits."""
        x, y = (evidence[key].astype(np.float64) for key in REGRESSION)
        x, y = x - x.mean(), y - y.mean()
        return np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=1)

    def figure(self, sums: Array) -> Array:
        """See ``correlation``."""
        return correlation(*sums.T)
