"""chrF: how many runs of one to six characters a text shares with its reference."""

from __future__ import annotations

import numpy as np

from tunesmith.core.contracts import Evidence
from tunesmith.evaluation.evidence import Array
from tunesmith.evaluation.metrics.resampled import SumMetric

BETA = 2.0
"""Recall weighs so many times as much as precision."""


class Chrf(SumMetric):
    """chrF2 of all rows together, 0 to 100 (Popović 2015), as sacreBLEU has it. Reads ``chrf_stats``."""

    name = "chrf"
    summary = "chrF2, 0 to 100: runs of one to six characters shared with the reference; needs no words"
    needs = (("chrf_stats",),)

    def columns(self, evidence: Evidence) -> Array:
        """Each row's counts: [n, 18]."""
        return evidence["chrf_stats"].astype(np.float64)

    def figure(self, sums: Array) -> Array:
        """F of the mean precision and the mean recall over the orders that both sides have."""
        written, wanted, shared = sums[:, 0::3], sums[:, 1::3], sums[:, 2::3]
        there = (written > 0) & (wanted > 0)
        orders = np.maximum(there.sum(axis=1), 1)
        precision = np.where(there, shared / np.maximum(written, 1), 0.0).sum(axis=1) / orders
        recall = np.where(there, shared / np.maximum(wanted, 1), 0.0).sum(axis=1) / orders
        below = BETA**2 * precision + recall
        found: Array = 100 * (1 + BETA**2) * precision * recall / np.where(below > 0, below, 1.0)
        return found
