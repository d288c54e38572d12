"""How often a model finds the answer better that people preferred."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from tunesmith.core.contracts import Evidence
from tunesmith.evaluation.evidence import Array
from tunesmith.evaluation.metrics.resampled import MeanMetric, SumMetric, divide


class PreferenceLoss(MeanMetric):
    """The mean of a preference strategy's own loss. Reads ``preference_loss``."""

    name = "preference_loss"
    summary = "the mean loss of the strategy that learns preferences"
    higher_is_better = False
    needs = (("preference_loss",),)

    def each(self, evidence: Evidence) -> Array:
        """A row's loss."""
        return evidence["preference_loss"]


class _AboveZero(SumMetric):
    """Share of rows above zero, of those where it is known."""

    array: ClassVar[str]

    def columns(self, evidence: Evidence) -> Array:
        """1, or one half at zero; and whether it is known."""
        margins = evidence[self.array]
        known = ~np.isnan(margins)
        above = np.where(known, (margins > 0) + 0.5 * (margins == 0), 0.0)
        return np.stack([above, known.astype(np.float64)], axis=1)

    def figure(self, sums: Array) -> Array:
        """Sum over count."""
        return divide(sums[:, 0], sums[:, 1])


class PreferenceAccuracy(_AboveZero):
    """Share of pairs whose better answer has the larger mean log-probability of a token. Reads ``preference_margin``.

    No start is needed, so any model has this figure; one that was never told of preferences is near one half, or
    where the pairs' lengths and ease draw it.
    """

    name = "preference_accuracy"
    summary = "share of pairs whose better answer is likelier, a token"
    needs = (("preference_margin",),)
    array = "preference_margin"


class RewardAccuracy(_AboveZero):
    """Share of pairs whose better answer has gained more since the start: the larger implicit reward of DPO.

    Reads ``reward_margin``. Of the start itself it is one half.
    """

    name = "reward_accuracy"
    summary = "share of pairs whose better answer gained more by training"
    needs = (("reward_margin",),)
    array = "reward_margin"
