"""Is what was taken among the first ten?"""

from __future__ import annotations

import numpy as np

from tunesmith.core.contracts import Evidence
from tunesmith.evaluation.evidence import Array
from tunesmith.evaluation.metrics.resampled import RANK, MeanMetric, SumMetric, divide


class HitRateAt10(MeanMetric):
    """Share of rows whose item is among the first ten of the list (one item a row). Reads ``rank``."""

    name = "hit_rate_at_10"
    summary = "share of rows whose item is among the first ten"
    needs = (RANK,)

    def each(self, evidence: Evidence) -> Array:
        """1 or 0."""
        found: Array = evidence["rank"] <= 10
        return found


class ColdHitRateAt10(SumMetric):
    """The same of the rows whose item stands in no training row; NaN where there are none. Reads ``rank``, ``cold``."""

    name = "cold_hit_rate_at_10"
    summary = "share of rows with an item unseen in training that is among the first ten"
    needs = (("rank", "cold"),)

    def columns(self, evidence: Evidence) -> Array:
        """Hits among cold rows, cold rows."""
        cold = evidence["cold"].astype(np.float64)
        return np.stack([(evidence["rank"] <= 10) * cold, cold], axis=1)

    def figure(self, sums: Array) -> Array:
        """Hits over rows."""
        return divide(sums[:, 0], sums[:, 1])
