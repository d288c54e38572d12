"""ROUGE: how much of a reference's words a text has."""

from __future__ import annotations

from tunesmith.core.contracts import Evidence
from tunesmith.evaluation.evidence import Array
from tunesmith.evaluation.metrics.resampled import MeanMetric


class Rouge1(MeanMetric):
    """Mean F1 of the words that a text shares with its best reference (Lin 2004). Reads ``rouge1``."""

    name = "rouge1"
    summary = "F1 of words (in Chinese: characters) shared with the best reference, mean over rows"
    needs = (("rouge1",),)

    def each(self, evidence: Evidence) -> Array:
        """F1 of each row."""
        return evidence[self.name]


class Rouge2(Rouge1):
    """The same of pairs of words that stand beside each other. Reads ``rouge2``."""

    name = "rouge2"
    summary = "F1 of pairs of words (in Chinese: characters) shared with the best reference, mean over rows"
    needs = (("rouge2",),)


class RougeL(Rouge1):
    """The same of the longest common subsequence. Reads ``rougeL``."""

    name = "rougeL"
    summary = "F1 of the longest common subsequence of words (in Chinese: characters), mean over rows"
    needs = (("rougeL",),)
