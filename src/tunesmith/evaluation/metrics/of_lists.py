"""Whether lists differ, show the catalogue, and lean to what is popular anyway."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from tunesmith.core.contracts import Evidence
from tunesmith.evaluation.evidence import Array
from tunesmith.evaluation.metrics.resampled import Over, ResampledMetric, SumMetric, divide


class _Filled(SumMetric):
    """The mean over rows that have a number."""

    reads: ClassVar[str]

    def columns(self, evidence: Evidence) -> Array:
        """The number, and one, where there is a number."""
        each = evidence[self.reads].astype(np.float64)
        there = ~np.isnan(each)
        return np.stack([np.where(there, each, 0.0), there], axis=1)

    def figure(self, sums: Array) -> Array:
        """Sum over count."""
        return divide(sums[:, 0], sums[:, 1])


class DiversityAt10(_Filled):
    """Mean distance of two items of a list (intra-list diversity, Ziegler et al. 2005). Reads ``variety``."""

    name = "diversity_at_10"
    summary = "how unlike each other the first ten are: 0 all alike, 1 nothing in common"
    needs = (("variety",),)
    reads: ClassVar[str] = "variety"


class PopularityBias(_Filled):
    """How much more popular lists are than what their users took (Abdollahpouri et al. 2019). Reads ``lift``."""

    name = "popularity_bias"
    summary = "log2 of how much more popular the first ten are than the user's own items; 0: no more"
    needs = (("lift",),)
    reads: ClassVar[str] = "lift"
    aim: ClassVar[float | None] = 0.0


class CoverageAt10(ResampledMetric):
    """Share of the catalogue that stands in any list (Ge et al. 2010). Reads ``listed`` and ``catalogue``.

    It rises with the number of rows, and so it has no interval.
    """

    name = "coverage_at_10"
    summary = "share of all items that are among the first ten of any row"
    needs = (("listed", "catalogue"),)
    has_interval = False

    def over(self, evidence: Evidence) -> Over:
        """Of the rows that were drawn; a resample has fewer different rows, and so shows fewer items."""
        listed, size = evidence["listed"], max(1, int(evidence["catalogue"][0]))

        def shown(counts: Array) -> Array:
            drawn = (np.unique(listed[row > 0]) for row in counts)
            return np.array([(codes >= 0).sum() / size for codes in drawn])

        return shown
