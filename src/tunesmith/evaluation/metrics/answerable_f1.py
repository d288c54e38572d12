"""The answers' F1 where there is an answer."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from tunesmith.core.contracts import Evidence
from tunesmith.evaluation.evidence import Array
from tunesmith.evaluation.metrics.resampled import SumMetric, divide


class AnswerableF1(SumMetric):
    """``answer_f1`` over the rows that have an answer; one that is not given counts 0.

    Reads ``answer_f1``, ``answerable``.
    """

    name = "answerable_f1"
    summary = "answer_f1 of the rows that have an answer: one that is not given counts nothing"
    needs: ClassVar[tuple[tuple[str, ...], ...]] = (("answer_f1", "answerable"),)

    def columns(self, evidence: Evidence) -> Array:
        """The row's F1 and one, where it has an answer."""
        there = evidence["answerable"].astype(np.float64)
        return np.stack([evidence["answer_f1"] * there, there], axis=1)

    def figure(self, sums: Array) -> Array:
        """Sum over count."""
        return divide(sums[:, 0], sums[:, 1])
