"""Share of rows whose whole set of labels is right."""

from __future__ import annotations

from tunesmith.core.contracts import Evidence
from tunesmith.evaluation.evidence import Array, hits
from tunesmith.evaluation.metrics.resampled import MULTI, MeanMetric


class SubsetAccuracy(MeanMetric):
    """Share of rows with every label right and none too many. Reads ``labels``, ``predicted_labels``."""

    name = "subset_accuracy"
    summary = "share of rows whose whole set of labels is right"
    needs = (MULTI,)

    def each(self, evidence: Evidence) -> Array:
        """1 where the sets are equal."""
        return hits(evidence)
