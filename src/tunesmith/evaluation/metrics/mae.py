"""Mean absolute error."""

from __future__ import annotations

import numpy as np

from tunesmith.core.contracts import Evidence
from tunesmith.evaluation.evidence import Array
from tunesmith.evaluation.metrics.resampled import REGRESSION, MeanMetric


class Mae(MeanMetric):
    """Mean absolute error, in the target's unit. Reads ``value``, ``predicted_value``."""

    name = "mae"
    summary = "mean absolute error, in the target's unit"
    higher_is_better = False
    needs = (REGRESSION,)

    def each(self, evidence: Evidence) -> Array:
        """The absolute error of each row."""
        error: Array = np.abs(evidence["predicted_value"] - evidence["value"])
        return error
