"""How well each label's rows are ranked first, whatever the threshold."""

from __future__ import annotations

import numpy as np

from tunesmith.core.contracts import Evidence
from tunesmith.evaluation.evidence import Array
from tunesmith.evaluation.metrics.resampled import MULTI_WITH_PROBABILITIES, Over, ResampledMetric, divide


def average_precision(present: Array, score: Array) -> Over:
    """Average precision of one label: the sum over thresholds of precision times the gain in recall.

    Args:
        present: bool[n].
        score: float[n]; equal scores share one threshold.

    Returns:
        Row counts [r, n] -> [r], NaN where no row has the label.
    """
    order = np.argsort(-score, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))
    positions = np.flatnonzero(present[order])
    if positions.size == 0:
        return lambda counts: np.full(len(counts), np.nan)
    # Only thresholds that let a present row in add to the sum.
    groups, first = np.unique(np.searchsorted(ends, positions), return_index=True)
    last = ends[groups]
    order = order[: last[-1] + 1]

    def figure(counts: Array) -> Array:
        drawn = counts[:, order]
        above = np.cumsum(drawn, axis=1)[:, last]
        gained = np.add.reduceat(drawn[:, positions], first, axis=1)
        hit = np.cumsum(gained, axis=1)
        precision = np.divide(hit, above, out=np.zeros_like(hit), where=above > 0)
        return divide((precision * gained).sum(axis=1), hit[:, -1])

    return figure


class MacroAveragePrecision(ResampledMetric):
    """Mean over labels of average precision. Reads ``labels``, ``probabilities``."""

    name = "macro_average_precision"
    summary = "mean over labels of average precision: quality of the ranking, whatever the threshold"
    needs = (MULTI_WITH_PROBABILITIES,)

    def over(self, evidence: Evidence) -> Over:
        """The mean over labels that at least one drawn row has."""
        labels = evidence["labels"].astype(bool)
        scores = evidence["probabilities"]
        each = [average_precision(labels[:, i], scores[:, i]) for i in range(labels.shape[1])]

        def figure(counts: Array) -> Array:
            found = np.stack([one(counts) for one in each])
            return divide(np.nansum(found, axis=0), (~np.isnan(found)).sum(axis=0))

        return figure
