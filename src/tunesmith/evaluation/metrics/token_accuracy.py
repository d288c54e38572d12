"""Share of what an objective asked about that was told right."""

from __future__ import annotations

import numpy as np

from tunesmith.core.contracts import Evidence
from tunesmith.evaluation.evidence import Array
from tunesmith.evaluation.metrics.resampled import SumMetric, divide


class TokenAccuracy(SumMetric):
    """Hits over questions, all texts together. Reads ``target_hits`` and ``target_tokens``."""

    name = "token_accuracy"
    summary = "share of hidden tokens (or pairs) that were told right"
    needs = (("target_hits", "target_tokens"),)

    def columns(self, evidence: Evidence) -> Array:
        """The rows' hits and their numbers of questions."""
        return np.stack([evidence["target_hits"], evidence["target_tokens"]], axis=1).astype(np.float64)

    def figure(self, sums: Array) -> Array:
        """Sum over sum."""
        found: Array = divide(sums[:, 0], sums[:, 1])
        return found
