"""What written answers are worth."""

from __future__ import annotations

from tunesmith.core.contracts import Evidence
from tunesmith.evaluation.evidence import Array
from tunesmith.evaluation.metrics.resampled import MeanMetric


class MeanReward(MeanMetric):
    """The mean reward of the answers written to rows. Reads ``reward``."""

    name = "mean_reward"
    summary = "the mean reward of written answers"
    needs = (("reward",),)

    def each(self, evidence: Evidence) -> Array:
        """A row's reward."""
        return evidence["reward"]
