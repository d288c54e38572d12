"""Root mean squared error."""

from __future__ import annotations

import numpy as np

from tunesmith.core.contracts import Evidence
from tunesmith.evaluation.evidence import Array
from tunesmith.evaluation.metrics.resampled import REGRESSION, MeanMetric


class Rmse(MeanMetric):
    """Root mean squared error, in the target's unit. Reads ``value``, ``predicted_value``."""

    name = "rmse"
    summary = "root mean squared error, in the target's unit: large errors weigh more"
    higher_is_better = False
    needs = (REGRESSION,)

    def each(self, evidence: Evidence) -> Array:
        """The squared error of each row."""
        error: Array = (evidence["predicted_value"].astype(np.float64) - evidence["value"]) ** 2
        return error

    def figure(self, sums: Array) -> Array:
        """The root of the mean."""
        return np.sqrt(super().figure(sums))
