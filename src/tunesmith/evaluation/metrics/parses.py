"""Share of answers that are programs by their syntax."""

from __future__ import annotations

from tunesmith.core.contracts import Evidence
from tunesmith.evaluation.evidence import Array
from tunesmith.evaluation.metrics.resampled import MeanMetric


class Parses(MeanMetric):
    """The mean over rows of the share of a row's answers whose code is Python. Reads ``parses`` [rows]."""

    name = "parses"
    summary = "share of answers whose code is valid Python by its syntax"
    needs = (("parses",),)

    def each(self, evidence: Evidence) -> Array:
        """Each row's share."""
        return evidence["parses"]
