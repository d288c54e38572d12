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

    @abstractmethod
    def __call__(self, evidence: Evidence) -> float:
        """The figure; NaN where the evidence does not define it."""
