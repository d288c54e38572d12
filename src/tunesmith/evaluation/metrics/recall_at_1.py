"""Is the right answer the first?"""

from __future__ import annotations

from typing import ClassVar

from tunesmith.core.contracts import Evidence
from tunesmith.evaluation.evidence import Array
from tunesmith.evaluation.metrics.resampled import RANK, MeanMetric


class RecallAt1(MeanMetric):
    """Share of rows whose right answer comes first, before all others. Reads ``rank``."""

    name = "recall_at_1"
    summary = "share of rows whose right answer comes first"
    needs = (RANK,)
    places: ClassVar[int] = 1

    def each(self, evidence: Evidence) -> Array:
        """1 where found in time."""
        found: Array = evidence["rank"] <= self.places
        return found
