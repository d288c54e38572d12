"""Do groups get the same answers equally often?"""

from __future__ import annotations

import numpy as np

from tunesmith.evaluation.evidence import Array
from tunesmith.evaluation.metrics.group_sums import GroupGap


class ParityGap(GroupGap):
    """Demographic parity difference (Dwork et al. 2012): the share of a group's rows that get a class.

    The largest gap between two groups, of all classes. Reads ``label``, ``predicted``, ``group``.
    """

    name = "parity_gap"
    summary = "largest difference between groups in how often a class is given"

    def parts(self, truth: Array, predicted: Array) -> tuple[Array, Array]:
        """Predictions, of all rows."""
        return predicted, np.ones_like(predicted)
