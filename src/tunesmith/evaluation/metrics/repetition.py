"""How much of what is written was written before in the same text."""

from __future__ import annotations

import numpy as np

from tunesmith.core.contracts import Evidence
from tunesmith.evaluation.evidence import Array
from tunesmith.evaluation.metrics.resampled import SumMetric


class Repetition(SumMetric):
    """Share of runs of four words that stood in the same text before. Reads ``repeated``, ``ngrams``.

    "seq-rep-4" of Welleck et al. 2020, of all texts together. Texts of less than four words have no runs; where all are
    so short, nothing repeats.
    """

    name = "repetition"
    summary = "share of runs of four words (in Chinese: characters) that stood in the same text before"
    higher_is_better = False
    needs = (("repeated", "ngrams"),)

    def columns(self, evidence: Evidence) -> Array:
        """Repeated runs, and all."""
        return np.stack([evidence["repeated"], evidence["ngrams"]], axis=1).astype(np.float64)

    def figure(self, sums: Array) -> Array:
        """Sum over sum."""
        found: Array = sums[:, 0] / np.maximum(sums[:, 1], 1.0)
        return found
