"""Is it known which questions have an answer?"""

from __future__ import annotations

from tunesmith.core.contracts import Evidence
from tunesmith.evaluation.evidence import Array
from tunesmith.evaluation.metrics.resampled import MeanMetric


class NoAnswerAccuracy(MeanMetric):
    """Share of rows that are answered where, and only where, there is an answer. Reads ``answerable``, ``answered``."""

    name = "no_answer_accuracy"
    summary = "share of rows that are answered where, and only where, they have an answer"
    needs = (("answerable", "answered"),)

    def each(self, evidence: Evidence) -> Array:
        """1 where the row is rightly answered or not answered, whatever the answer."""
        right: Array = evidence["answerable"] == evidence["answered"]
        return right
