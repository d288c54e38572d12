"""Whether what is written has what was asked for."""

from __future__ import annotations

from tunesmith.core.contracts import Evidence
from tunesmith.evaluation.evidence import Array
from tunesmith.evaluation.metrics.resampled import MeanMetric


class Obedience(MeanMetric):
    """Share of texts in which a classifier finds the control that was given. Reads ``obeyed`` [rows]."""

    name = "obedience"
    summary = "share of texts in which the judge, a classifier, finds what was asked for"
    needs = (("obeyed",),)

    def each(self, evidence: Evidence) -> Array:
        """1 where it finds it."""
        return evidence["obeyed"]


class LengthObedience(MeanMetric):
    """Share of texts that are of the third of lengths that was asked for. Reads ``length_obeyed`` [rows]."""

    name = "length_obedience"
    summary = "share of texts that are as short, medium or long as was asked for"
    needs = (("length_obeyed",),)

    def each(self, evidence: Evidence) -> Array:
        """1 where it is."""
        return evidence["length_obeyed"]
