"""Figures by which groups of rows are compared: how often something holds, in each group and class."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from tunesmith.core.contracts import Evidence
from tunesmith.evaluation.evidence import Array, count_classes, one_hot
from tunesmith.evaluation.metrics.resampled import GROUPED, SumMetric, divide


def largest_gap(above: Array, below: Array) -> Array:
    """Shares [r, groups, k] = above / below; of all classes the largest gap between two groups: [r].

    A share of nothing is left out; NaN where no class has two groups to compare.
    """
    shares = divide(above, below)
    defined = ~np.isnan(shares)
    top = np.where(defined, shares, -np.inf).max(axis=1)
    least = np.where(defined, shares, np.inf).min(axis=1)
    gaps = np.where(defined.sum(axis=1) > 1, top - least, -np.inf).max(axis=-1)
    found: Array = np.where(np.isfinite(gaps), gaps, np.nan)
    return found


class GroupGap(SumMetric):
    """The largest difference between groups of a share."""

    needs = (GROUPED,)
    higher_is_better = False

    @abstractmethod
    def parts(self, truth: Array, predicted: Array) -> tuple[Array, Array]:
        """Ones and zeros [n, k] twice -> what is counted, and of what: [n, k] twice."""

    def columns(self, evidence: Evidence) -> Array:
        """Both counts for each group and class: [n, 2 * groups * k]."""
        k = count_classes(evidence)
        found = self.parts(one_hot(evidence["label"], k), one_hot(evidence["predicted"], k))
        members = np.asarray(evidence["group"])[:, None] == np.arange(max(1, int(evidence["group"].max()) + 1))
        each = np.stack(found, axis=1)[:, :, None, :] * members[:, None, :, None]
        self._shape = each.shape[1:]
        flat: Array = each.reshape(len(each), -1).astype(np.float64)
        return flat

    def figure(self, sums: Array) -> Array:
        """[resamples, 2 * groups * k] -> [resamples]."""
        above, below = np.moveaxis(sums.reshape(len(sums), *self._shape), 1, 0)
        return largest_gap(above, below)
