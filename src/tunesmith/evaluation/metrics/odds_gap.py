"""Are groups' rows of one class found equally often?"""

from __future__ import annotations

from tunesmith.evaluation.evidence import Array
from tunesmith.evaluation.metrics.group_sums import GroupGap


class OddsGap(GroupGap):
    """Equalized odds difference (Hardt et al. 2016): the share of a group's rows of a class that are answered right.

    The largest gap between two groups, of all classes. With two classes these are the true positive and the true
    negative rate. Reads ``label``, ``predicted``, ``group``.
    """

    name = "odds_gap"
    summary = "largest difference between groups in how often a true class is found"

    def parts(self, truth: Array, predicted: Array) -> tuple[Array, Array]:
        """Hits, of the rows of the class."""
        return truth * predicted, truth
