"""What is measured beyond the metrics."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunesmith.core.contracts.predictor import PredictorLike
    from tunesmith.core.contracts.rows import Row
    from tunesmith.core.contracts.task import Task


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

    def fits(self, task: Task) -> str | None:
        """Why it says nothing of this task, in words; None where it does. Asked before anything is computed."""
        return None

    def ready(self, rows: Sequence[Row]) -> None:  # noqa: B027 - most checks need nobody else
        """Before training: raise TunesmithError where it could not be carried out on these rows."""

    def before(self, predictor: PredictorLike, rows: Sequence[Row]) -> None:  # noqa: B027 - few checks compare
        """The model before it is tuned, where that is measured: a check that compares remembers its answers."""

    @abstractmethod
    def check(self, predictor: PredictorLike, rows: Sequence[Row]) -> CheckResult:
        """Measure ``predictor`` on ``rows``. A TunesmithError makes the figure undefined, and ends no run."""
