"""Metrics that give the figures of a thousand resamples as one matrix product.

A bootstrap resample is a count for each row: how often it was drawn. Most figures depend on rows only through
sums of a few columns (hits; true positives of each class), so the figures of all resamples come from
``counts @ columns``: [resamples, rows] @ [rows, columns].
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

import numpy as np

from tunesmith.core.contracts import Evidence, Metric
from tunesmith.evaluation.evidence import Array, count_rows

Over = Callable[[Array], Array]
"""Row counts [resamples, rows] -> figures [resamples]."""


class ResampledMetric(Metric):
    """A metric that knows its figure for any row counts."""

    needs: ClassVar[tuple[tuple[str, ...], ...]]
    """Sets of arrays, any one of which is enough."""

    @abstractmethod
    def over(self, evidence: Evidence) -> Over:
        """Read the evidence once; what comes back gives a figure for each resample."""

    def fits(self, evidence: Evidence) -> bool:
        """Whether the evidence defines this figure."""
        return any(all(key in evidence for key in keys) for keys in self.needs)

    def __call__(self, evidence: Evidence) -> float:
        """The figure with every row counted once."""
        rows = count_rows(evidence)
        if rows == 0 or not self.fits(evidence):
            return float("nan")
        return float(self.over(evidence)(np.ones((1, rows)))[0])


class SumMetric(ResampledMetric):
    """A metric that depends on rows through sums of columns."""

    shares: ClassVar[str] = ""
    """Metrics with the same word here have the same columns, which are then summed once for all of them."""

    @abstractmethod
    def columns(self, evidence: Evidence) -> Array:
        """What is summed over rows: [n, m]."""

    @abstractmethod
    def figure(self, sums: Array) -> Array:
        """[resamples, m] -> [resamples]."""

    def over(self, evidence: Evidence) -> Over:
        """The figure of ``counts @ columns``."""
        sums = sum_over(self.columns(evidence))
        return lambda counts: self.figure(sums(counts))


class MeanMetric(SumMetric):
    """The mean of one number a row."""

    @abstractmethod
    def each(self, evidence: Evidence) -> Array:
        """[n], one number a row."""

    def columns(self, evidence: Evidence) -> Array:
        """The number, and one."""
        each = self.each(evidence).astype(np.float64)
        return np.stack([each, np.ones_like(each)], axis=1)

    def figure(self, sums: Array) -> Array:
        """Sum over count."""
        mean: Array = sums[:, 0] / sums[:, 1]
        return mean


def sum_over(columns: Array) -> Over:
    """Row counts [r, n] -> sums of the columns [r, m], computed in the columns' type."""

    def sums(counts: Array) -> Array:
        product: Array = counts.astype(columns.dtype, copy=False) @ columns
        return product

    return sums


def divide(above: Array, below: Array) -> Array:
    """``above / below``, NaN where ``below`` is zero, without a warning."""
    out = np.full(np.broadcast_shapes(above.shape, below.shape), np.nan)
    quotient: Array = np.divide(above, below, out=out, where=below != 0)
    return quotient


def variation(n: Array, total: Array, squares: Array) -> Array:
    """``n`` squared times the variance, from sums; exactly 0 for a constant: what rounding leaves is no variance.

    Args:
        n: rows.
        total: sum of their values.
        squares: sum of the values' squares.
    """
    found = n * squares - total**2
    kept: Array = np.where(found > 1e-12 * n * squares, found, 0.0)
    return kept


SINGLE = ("label", "predicted")
MULTI = ("labels", "predicted_labels")
GROUPED = (*SINGLE, "group")
SINGLE_WITH_PROBABILITIES = (*SINGLE, "probabilities")
MULTI_WITH_PROBABILITIES = (*MULTI, "probabilities")
REGRESSION = ("value", "predicted_value")
COUNTS = ("class_counts",)
HIT = ("hit",)
RANK = ("rank",)
HIT_WITH_CONFIDENCE = (*HIT, "confidence")
