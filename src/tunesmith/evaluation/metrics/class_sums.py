"""The three counts of each class from which F1 and its kin follow."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.contracts import Evidence
from tunesmith.evaluation.evidence import Array, targets_and_predictions
from tunesmith.evaluation.metrics.resampled import COUNTS, MULTI, SINGLE, SumMetric, divide


def class_columns(evidence: Evidence) -> NDArray[np.float32]:
    """[n, 3k]: for each class whether the row is a true positive, is of it, is predicted as it.

    float32 holds these sums exactly up to 16 million rows. A row of structured evidence brings its own counts.
    """
    if COUNTS[0] in evidence:
        return evidence[COUNTS[0]].astype(np.float32)
    true, predicted = targets_and_predictions(evidence)
    return np.concatenate([true * predicted, true, predicted], axis=1)


def split_sums(sums: Array) -> tuple[Array, Array, Array]:
    """[r, 3k] -> hits, support, predicted, float64 [r, k] each."""
    hit, support, predicted = np.split(sums.astype(np.float64), 3, axis=-1)
    return hit, support, predicted


def f1_by_class(hit: Array, support: Array, predicted: Array) -> Array:
    """F1 = 2 hits / (support + predicted), [r, k]; NaN for a class neither present nor predicted."""
    return divide(2 * hit, support + predicted)


class ClassSumMetric(SumMetric):
    """A metric of the three counts."""

    needs: ClassVar[tuple[tuple[str, ...], ...]] = (SINGLE, MULTI, COUNTS)
    shares = "class sums"
    score: Callable[[Array, Array, Array], Array]

    def columns(self, evidence: Evidence) -> Array:
        """See ``class_columns``."""
        return class_columns(evidence)

    def figure(self, sums: Array) -> Array:
        """``score`` of the three counts."""
        return type(self).score(*split_sums(sums))
