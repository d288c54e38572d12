"""How often a model finds the answer better that people preferred."""

from __future__ import annotations

from tunesmith.core.contracts import Evidence
from tunesmith.evaluation.evidence import Array
from tunesmith.evaluation.metrics.resampled import MeanMetric


class PreferenceLoss(MeanMetric):
    """The mean of a preference strategy's own loss. Reads ``preference_loss``."""

    name = "preference_loss"
    summary = "the mean loss of the strategy that learns preferences"
    higher_is_better = False
    needs = (("preference_loss",),)

    def each(self, evidence: Evidence) -> Array:
        """A row's loss."""
        return evidence["preference_loss"]


class PreferenceAccuracy(MeanMetric):
    """Share of pairs whose better answer has the larger mean log-probability of a token. Reads ``preference_margin``.

    No start is needed, so any model has this figure; one that was never told of preferences is near one half, or
    where the pairs' lengths and ease draw it.
    """

    name = "preference_accuracy"
    summary = "share of pairs whose better answer is likelier, a token"
    needs = (("preference_margin",),)

    def each(self, evidence: Evidence) -> Array:
        """1 where it is, one half where both are alike."""
        return above_zero(evidence["preference_margin"])


class RewardAccuracy(MeanMetric):
    """Share of pairs whose better answer has gained more since the start: the larger implicit reward of DPO.

    Reads ``reward_margin``. Of the start itself it is one half.
    """

    name = "reward_accuracy"
    summary = "share of pairs whose better answer gained more by training"
    needs = (("reward_margin",),)

    def each(self, evidence: Evidence) -> Array:
        """1 where it has, one half where both gained alike."""
        return above_zero(evidence["reward_margin"])


def above_zero(margins: Array) -> Array:
    """1.0 above zero, 0.5 at it, 0.0 below."""
    found: Array = (margins > 0) + 0.5 * (margins == 0)
    return found
