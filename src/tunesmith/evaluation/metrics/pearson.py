"""Linear correlation of prediction and target."""

from __future__ import annotations

import numpy as np

from tunesmith.core.contracts import Evidence
from tunesmith.evaluation.evidence import Array
from tunesmith.evaluation.metrics.resampled import REGRESSION, SumMetric, divide


def correlation(n: Array, x: Array, y: Array, xx: Array, yy: Array, xy: Array) -> Array:
    """Pearson's r from sums; NaN where either side is constant."""
    var_x, var_y = np.maximum(n * xx - x**2, 0), np.maximum(n * yy - y**2, 0)
    # What rounding leaves of a constant side is no variance.
    var_x, var_y = (np.where(v > 1e-12 * n * s, v, 0) for v, s in ((var_x, xx), (var_y, yy)))
    return divide(n * xy - x * y, np.sqrt(var_x * var_y))


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
