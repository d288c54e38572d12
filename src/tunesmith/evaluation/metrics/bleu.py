"""BLEU: how many runs of one to four words a text shares with its reference."""

from __future__ import annotations

import numpy as np

from tunesmith.core.contracts import Evidence
from tunesmith.evaluation.evidence import Array
from tunesmith.evaluation.metrics.resampled import SumMetric

ORDERS = 4


class Bleu(SumMetric):
    """sacreBLEU of all rows together, 0 to 100 (Papineni et al. 2002; Post 2018). Reads ``bleu_stats``.

    Orders without a match are smoothed as sacreBLEU does by default (Chen and Cherry 2014, method 3).
    """

    name = "bleu"
    summary = "sacreBLEU, 0 to 100: runs of one to four words (in Chinese: characters) shared with the reference"
    needs = (("bleu_stats",),)

    def columns(self, evidence: Evidence) -> Array:
        """Each row's counts: [n, 10]."""
        return evidence["bleu_stats"].astype(np.float64)

    def figure(self, sums: Array) -> Array:
        """The geometric mean of the orders' precisions, times the penalty of texts that are too short."""
        length, wanted, shared, every = sums[:, 0], sums[:, 1], sums[:, 2:6], sums[:, 6:10]
        none = (shared == 0) & (every > 0)
        halves = np.power(2.0, -np.cumsum(none, axis=1))
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.log(np.where(none, halves, shared) / every).sum(axis=1) / ORDERS
            shortness = np.where(length < wanted, np.exp(1 - wanted / length), 1.0)
        defined = shared.any(axis=1) & (every > 0).all(axis=1)
        found: Array = np.where(defined, 100 * shortness * np.exp(np.where(defined, logs, 0.0)), 0.0)
        return found
