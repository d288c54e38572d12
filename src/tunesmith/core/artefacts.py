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
    agreement: float
    """Share of rows with the same decoded prediction."""
    tolerance: float
    passed: bool

    def to_json(self) -> dict[str, Any]:
        """Its fields."""
        return asdict(self)
