"""Share of rows answered right."""

from __future__ import annotations

from tunesmith.core.contracts import Evidence
from tunesmith.evaluation.evidence import Array, hits
from tunesmith.evaluation.metrics.resampled import SINGLE, MeanMetric


class Accuracy(MeanMetric):
    """Share of rows whose predicted class is the true one. Reads ``label``, ``predicted``."""

    name = "accuracy"
    summary = "share of rows answered right"
    needs = (SINGLE,)

    def each(self, evidence: Evidence) -> Array:
        """1 where right."""
        return hits(evidence)
