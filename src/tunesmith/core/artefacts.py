"""What rooms hand to each other."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """A metric's value with its bootstrap interval."""

    value: float
    low: float
    high: float

    def to_json(self) -> dict[str, Any]:
        """``{"value", "low", "high"}``."""
        return asdict(self)


@dataclass(frozen=True)
class Parity:
    """How far the answers of a model that went through a hand-off are from those before it."""

    handoff: str
    """For example "save and reload", "merge", "int8"."""
    rows: int
    largest_gap: float
    """Largest absolute difference of any logit."""
    agreement: float | None
    """Share of rows with the same decoded prediction; None where predictions are numbers, which have the gap alone."""
    tolerance: float
    passed: bool
    metric: str = ""
    """The task's first metric, where labelled rows were measured on both sides."""
    loss: float | None = None
    """How much of the metric was lost: above 0 is worse."""
    loss_low: float | None = None
    loss_high: float | None = None
    allowed_loss: float | None = None
    alone: float | None = None
    """Share of rows whose prediction is still the same when they are asked one by one, where that was tried."""

    def to_json(self) -> dict[str, Any]:
        """Its fields."""
        return asdict(self)
