"""Whether a model writes as much as its references do."""

from __future__ import annotations

import numpy as np

from tunesmith.core.contracts import Evidence
from tunesmith.evaluation.evidence import Array
from tunesmith.evaluation.metrics.resampled import SumMetric, divide


class LengthRatio(SumMetric):
    """Words written for each word of the references; 1 is best. Reads ``written_words``, ``expected_words``."""

    name = "length_ratio"
    summary = "words (in Chinese: characters) written for each one of the references: 1 is as long as they are"
    aim = 1.0
    needs = (("written_words", "expected_words"),)

    def columns(self, evidence: Evidence) -> Array:
        """Words of both."""
        return np.stack([evidence["written_words"], evidence["expected_words"]], axis=1).astype(np.float64)

    def figure(self, sums: Array) -> Array:
        """Sum over sum."""
        return divide(sums[:, 0], sums[:, 1])
