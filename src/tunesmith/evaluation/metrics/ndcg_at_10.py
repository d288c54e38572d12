"""Of ten places, later ones count less."""

from __future__ import annotations

import numpy as np

from tunesmith.core.contracts import Evidence
from tunesmith.evaluation.evidence import Array
from tunesmith.evaluation.metrics.resampled import RANK, MeanMetric


class NdcgAt10(MeanMetric):
    """Normalised discounted cumulative gain of ten places (Järvelin & Kekäläinen 2002), one right answer a row.

    Reads ``rank``.
    """

    name = "ndcg_at_10"
    summary = "1 / log2(1 + place) of the right answer where it is among the first ten"
    needs = (RANK,)

    def each(self, evidence: Evidence) -> Array:
        """The gain; with one right answer the best possible is 1."""
        rank = evidence["rank"]
        gain: Array = np.where(rank <= 10, 1 / np.log2(1 + rank), 0.0)
        return gain
