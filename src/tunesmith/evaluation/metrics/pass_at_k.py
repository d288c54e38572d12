"""Share of problems that a program solves which was drawn for them: its tests were run, and it passed them all."""

from __future__ import annotations

import numpy as np

from tunesmith.core.contracts import Evidence
from tunesmith.evaluation.evidence import Array
from tunesmith.evaluation.metrics.resampled import MeanMetric


def pass_at_k(drawn: Array, passed: Array, k: Array) -> Array:
    """How likely one of ``k`` programs solves a problem, estimated without bias from more (Chen et al. 2021, eq. 1).

    ``1 - C(n - c, k) / C(n, k)``, as a product, since the binomials are large.

    Args:
        drawn: n, programs of each problem, [rows].
        passed: c, those that passed, [rows].
        k: [rows], at most n.

    >>> pass_at_k(np.array([10, 10]), np.array([3, 0]), np.array([1, 1]))
    array([0.3, 0. ])
    """
    found = np.ones(len(drawn))
    for i, (n, c, most) in enumerate(zip(drawn.tolist(), passed.tolist(), k.tolist(), strict=True)):
        if n - c >= most:
            found[i] = 1.0 - np.prod(1.0 - most / np.arange(n - c + 1, n + 1))
    return found


class PassAt1(MeanMetric):
    """The mean share of a problem's programs that pass. Reads ``drawn`` and ``passed`` [rows]."""

    name = "pass_at_1"
    summary = "share of problems that the first program drawn solves: it passes all tests"
    needs = (("drawn", "passed"),)

    def each(self, evidence: Evidence) -> Array:
        """C / n."""
        return pass_at_k(evidence["drawn"], evidence["passed"], np.ones(len(evidence["drawn"]), np.int64))


class PassAtK(MeanMetric):
    """Chen et al. 2021, eq. 1, the mean over problems. Reads ``drawn``, ``passed`` and ``k`` [rows]."""

    name = "pass_at_k"
    summary = "share of problems that one of k drawn programs solves, estimated without bias"
    needs = (("drawn", "passed", "k"),)

    def each(self, evidence: Evidence) -> Array:
        """Each problem's."""
        return pass_at_k(evidence["drawn"], evidence["passed"], evidence["k"])
