"""What is measured beyond the metrics."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunesmith.core.contracts.predictor import PredictorLike
    from tunesmith.core.contracts.rows import Row


@dataclass
class CheckResult:
    """A measured property beyond the metric."""

    name: str
    figure: float
    low: float | None = None
    high: float | None = None
    verdict: str = ""
    """In words."""
    worst: list[dict[str, Any]] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)


class Check(ABC):
    """Robustness, calibration, fairness, parity ..."""

    name: ClassVar[str]
    summary: ClassVar[str]

    def before(self, predictor: PredictorLike, rows: Sequence[Row]) -> None:  # noqa: B027 - few checks compare
        """The model before it is tuned, where that is measured: a check that compares remembers its answers."""

    @abstractmethod
    def check(self, predictor: PredictorLike, rows: Sequence[Row]) -> CheckResult:
        """Measure ``predictor`` on ``rows``."""
