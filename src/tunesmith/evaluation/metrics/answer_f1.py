"""How much of an answer is right, by the words (in Chinese: characters) that it shares with a reference."""

from __future__ import annotations

from tunesmith.core.contracts import Evidence
from tunesmith.evaluation.evidence import Array
from tunesmith.evaluation.metrics.resampled import MeanMetric


class AnswerF1(MeanMetric):
    """Mean of each row's F1 with its best reference (Rajpurkar et al. 2016). Reads ``answer_f1``.

    A row without an answer counts 1 where none is given, else 0, as in SQuAD 2.0.
    """

    name = "answer_f1"
    summary = "F1 of the words (in Chinese: characters) that an answer shares with its best reference, mean over rows"
    needs = (("answer_f1",),)

    def each(self, evidence: Evidence) -> Array:
        """F1 of each row."""
        return evidence["answer_f1"]
