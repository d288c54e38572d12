"""How much in doubt a model is about each token of the targets."""

from __future__ import annotations

import numpy as np

from tunesmith.core.contracts import Evidence
from tunesmith.evaluation.evidence import Array
from tunesmith.evaluation.metrics.resampled import SumMetric, divide


class Perplexity(SumMetric):
    """``exp`` of the mean negative log-likelihood of a target's token. Reads ``log_likelihood``, ``target_tokens``.

    Tokens are the model's own: figures of models with other vocabularies do not compare.
    """

    name = "perplexity"
    summary = "exp of the mean negative log-likelihood of a target's token; only of the same vocabulary"
    higher_is_better = False
    needs = (("log_likelihood", "target_tokens"),)

    def columns(self, evidence: Evidence) -> Array:
        """The rows' log-likelihoods and their numbers of tokens."""
        return np.stack([evidence["log_likelihood"], evidence["target_tokens"]], axis=1).astype(np.float64)

    def figure(self, sums: Array) -> Array:
        """``exp(-sum / sum)``; infinite where a token is impossible."""
        with np.errstate(over="ignore"):
            found: Array = np.exp(-divide(sums[:, 0], sums[:, 1]))
        return found
