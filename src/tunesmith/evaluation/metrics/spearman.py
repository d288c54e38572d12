"""Does the order agree?"""

from __future__ import annotations

import numpy as np

from tunesmith.core.contracts import Evidence
from tunesmith.evaluation.evidence import Array
from tunesmith.evaluation.metrics.resampled import REGRESSION, Over, ResampledMetric, divide


def ranks(values: Array) -> Over:
    """Mean ranks of ``values`` [n] in a resample: row counts [r, n] -> [r, n]. Equal values share a rank."""
    order = np.argsort(values, kind="stable")
    starts = np.flatnonzero(np.insert(np.diff(values[order]) != 0, 0, True))
    group = np.empty(len(values), dtype=int)
    group[order] = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(values))))

    def figure(counts: Array) -> Array:
        drawn = np.add.reduceat(counts[:, order], starts, axis=1)
        mean_rank = np.cumsum(drawn, axis=1) - (drawn - 1) / 2
        return mean_rank[:, group]

    return figure


class Spearman(ResampledMetric):
    """Spearman's rho: Pearson's r of ranks; NaN for constant predictions. Reads ``value``, ``predicted_value``."""

    name = "spearman"
    summary = "correlation of the ranks of prediction and target: does the order agree?"
    needs = (REGRESSION,)

    def over(self, evidence: Evidence) -> Over:
        """Rank anew in each resample."""
        rank_x, rank_y = (ranks(evidence[key]) for key in REGRESSION)

        def figure(counts: Array) -> Array:
            middle = (counts.sum(axis=1, keepdims=True) + 1) / 2
            x, y = rank_x(counts) - middle, rank_y(counts) - middle
            wx = counts * x
            return divide((wx * y).sum(axis=1), np.sqrt((wx * x).sum(axis=1) * (counts * y * y).sum(axis=1)))

        return figure
