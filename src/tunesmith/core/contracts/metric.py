"""A figure over evidence."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from tunesmith.core.contracts.rows import Evidence


class Metric(ABC):
    """A figure over evidence."""

    name: ClassVar[str]
    summary: ClassVar[str]
    higher_is_better: ClassVar[bool] = True
    aim: ClassVar[float | None] = None
    """The value that is best, where neither more nor less is."""

    has_interval: ClassVar[bool] = True
    """Whether its figures in resamples say how far it would move. False where it counts what is different among the
    rows: a resample holds 63% of them, some twice, and so less that is different. Differences of two models are paired
    all the same."""

    @abstractmethod
    def __call__(self, evidence: Evidence) -> float:
        """The figure; NaN where the evidence does not define it."""
