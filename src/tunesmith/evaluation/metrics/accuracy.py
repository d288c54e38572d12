"""Share of rows answered right."""

from __future__ import annotations

from tunesmith.core.contracts import Evidence
from tunesmith.evaluation.evidence import Array, hits
from tunesmith.evaluation.metrics.resampled import HIT, SINGLE, MeanMetric


class Accuracy(MeanMetric):
    """Share of rows whose predicted class is the true one, or that are right as a whole.

    Reads ``label`` and ``predicted``, or ``hit``.
    """

    name = "accuracy"
    summary = "share of rows answered right"
    needs = (SINGLE, HIT)

    def each(self, evidence: Evidence) -> Array:
        """1 where right."""
        return hits(evidence)
