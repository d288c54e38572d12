"""How early does the right answer come?"""

from __future__ import annotations

from tunesmith.core.contracts import Evidence
from tunesmith.evaluation.evidence import Array
from tunesmith.evaluation.metrics.resampled import RANK, MeanMetric


class Mrr(MeanMetric):
    """Mean reciprocal rank (Voorhees 1999). Reads ``rank``."""

    name = "mrr"
    summary = "mean of 1 / place of the right answer"
    needs = (RANK,)

    def each(self, evidence: Evidence) -> Array:
        """1 / rank."""
        reciprocal: Array = 1 / evidence["rank"]
        return reciprocal
