"""Figures of a mixture: a part's own metric, and the mean over parts.

``intents/macro_f1`` is ``macro_f1`` over the rows of the part ``intents``, whose arrays stand in the evidence as
``intents/label`` and so on; ``mean(intents/macro_f1,names/micro_f1)`` is the mean of two.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tunesmith.core.contracts import Evidence
from tunesmith.evaluation.evidence import Array
from tunesmith.evaluation.metrics.resampled import Over, ResampledMetric

ROWS = "rows"


def evidence_of_part(evidence: Evidence, part: str) -> tuple[Evidence, Array]:
    """A part's own evidence, and bool [n] which rows are its."""
    mask: Array = evidence[f"{part}/{ROWS}"]
    prefix = f"{part}/"
    arrays = {key.removeprefix(prefix): array[mask] for key, array in evidence.items() if key.startswith(prefix)}
    arrays.pop(ROWS)
    return arrays, mask


class OfPart(ResampledMetric):
    """A metric over one part's rows."""

    name = "part/metric"
    summary = "a metric over the rows of one part of a mixture"
    needs = ()

    def __init__(self, part: str, metric: ResampledMetric) -> None:
        self.part, self.metric = part, metric
        self.higher_is_better = metric.higher_is_better  # type: ignore[misc]
        self.has_interval = metric.has_interval  # type: ignore[misc]

    def fits(self, evidence: Evidence) -> bool:
        """Whether the part's arrays define it."""
        return f"{self.part}/{ROWS}" in evidence and self.metric.fits(evidence_of_part(evidence, self.part)[0])

    def over(self, evidence: Evidence) -> Over:
        """The metric's figure by the counts of the part's rows."""
        own, mask = evidence_of_part(evidence, self.part)
        if not mask.any():
            return lambda counts: np.full(len(counts), np.nan)
        figure = self.metric.over(own)
        return lambda counts: figure(counts[:, mask])


class MeanOf(ResampledMetric):
    """The mean of several metrics, each over its own part."""

    name = "mean(...)"
    summary = "the mean of the parts' figures"
    needs = ()

    def __init__(self, metrics: list[OfPart]) -> None:
        self.metrics = metrics
        self.higher_is_better = all(metric.higher_is_better for metric in metrics)  # type: ignore[misc]

    def fits(self, evidence: Evidence) -> bool:
        """Whether all are defined."""
        return all(metric.fits(evidence) for metric in self.metrics)

    def over(self, evidence: Evidence) -> Over:
        """The mean, resample by resample."""
        figures = [metric.over(evidence) for metric in self.metrics]
        return lambda counts: np.mean([figure(counts) for figure in figures], axis=0)


def of_parts(name: str, make: Callable[[str], ResampledMetric]) -> ResampledMetric:
    """The metric of a compound name; ``make`` makes those of plain names."""
    if name.startswith("mean(") and name.endswith(")"):
        return MeanOf([_of_part(one, make) for one in name[5:-1].split(",")])
    return _of_part(name, make)


def _of_part(name: str, make: Callable[[str], ResampledMetric]) -> OfPart:
    part, _, metric = name.rpartition("/")
    return OfPart(part, make(metric))
