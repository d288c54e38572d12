"""Share of answers that are the same as a reference."""

from __future__ import annotations

from tunesmith.core.contracts import Evidence
from tunesmith.evaluation.evidence import Array
from tunesmith.evaluation.metrics.resampled import MeanMetric


class ExactMatch(MeanMetric):
    """Mean of each row's exact match after normalisation (Rajpurkar et al. 2016). Reads ``exact_match``."""

    name = "exact_match"
    summary = "share of answers that are a reference, after case, punctuation and articles are taken off"
    needs = (("exact_match",),)

    def each(self, evidence: Evidence) -> Array:
        """1 where the answer is one of the references, or where both are none."""
        return evidence["exact_match"]
