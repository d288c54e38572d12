"""How surprised a model is by the right texts."""

from __future__ import annotations

import numpy as np

from tunesmith.core.contracts import Evidence
from tunesmith.evaluation.evidence import Array
from tunesmith.evaluation.metrics.resampled import SumMetric, divide


class Perplexity(SumMetric):
    """``exp`` of the mean negative log-likelihood of a target token. Reads ``log_likelihood``, ``target_tokens``.

    Only models with the same tokenizer can be compared by it.
    """

    name = "perplexity"
    summary = "exp of the mean negative log-likelihood of a target's tokens; for models with the same tokenizer"
    higher_is_better = False
    needs = (("log_likelihood", "target_tokens"),)

    def columns(self, evidence: Evidence) -> Array:
        """Log-likelihood and tokens of each row."""
        return np.stack([evidence["log_likelihood"], evidence["target_tokens"]], axis=1).astype(np.float64)

    def figure(self, sums: Array) -> Array:
        """``exp(-sum / tokens)``; NaN where there are no tokens."""
        found: Array = np.exp(-divide(sums[:, 0], sums[:, 1]))
        return found
