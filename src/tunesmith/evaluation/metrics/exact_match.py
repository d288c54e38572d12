"""Share of answers that are the same as a reference, in the task's own terms."""

from __future__ import annotations

from tunesmith.core.contracts import Evidence
from tunesmith.evaluation.evidence import Array
from tunesmith.evaluation.metrics.resampled import MeanMetric


class ExactMatch(MeanMetric):
    """Mean of each row's exact match. Reads ``exact_match``.

    The task says what is the same: extractive questions normalise (Rajpurkar et al. 2016), written answers count as
    they stand: a minus, a case or a bracket may be what they are about.
    """

    name = "exact_match"
    summary = "share of answers that are a reference: written ones as they stand, spans without case, marks, articles"
    needs = (("exact_match",),)

    def each(self, evidence: Evidence) -> Array:
        """1 where the answer is one of the references, or where both are none."""
        return evidence["exact_match"]
