"""F1 of relations: "no relation" is left out, and a relation found in the wrong direction is an error."""

from __future__ import annotations

from typing import ClassVar

from tunesmith.core.contracts import Evidence
from tunesmith.evaluation.evidence import Array
from tunesmith.evaluation.metrics.class_sums import ClassSumMetric
from tunesmith.evaluation.metrics.macro_f1 import macro_f1
from tunesmith.evaluation.metrics.micro_f1 import micro_f1


class RelationSumMetric(ClassSumMetric):
    """A metric of ``relation_counts`` [n, 3 m]: hits, support and predictions of each type of relation."""

    needs: ClassVar[tuple[tuple[str, ...], ...]] = (("relation_counts",),)
    shares = "relation sums"

    def columns(self, evidence: Evidence) -> Array:
        """The counts."""
        counts: Array = evidence["relation_counts"]
        return counts


class RelationMacroF1(RelationSumMetric):
    """The official score of SemEval-2010 Task 8 (Hendrickx et al. 2010): mean of the relations' F1.

    Both directions of a relation are one type; only the right direction is a hit. Reads ``relation_counts``.
    """

    name = "relation_macro_f1"
    summary = "mean F1 of the relations, 'no relation' left out (the official score of SemEval-2010 Task 8)"
    score = staticmethod(macro_f1)


class RelationMicroF1(RelationSumMetric):
    """F1 over all relations together, as for TACRED (Zhang et al. 2017). Reads ``relation_counts``."""

    name = "relation_micro_f1"
    summary = "F1 over all relations together, 'no relation' left out"
    score = staticmethod(micro_f1)
