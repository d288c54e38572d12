"""An exponential moving average of the weights (Polyak & Juditsky 1992; Tarvainen & Valpola 2017, eq. 1)."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field

from tunesmith.training.strategies.weight_average import WeightAverage


def warmed(decay: float, count: int) -> float:
    """The decay after ``count`` steps: small at first, so that the start is soon forgotten."""
    return min(decay, (1 + count) / (10 + count))


class Ema(WeightAverage):
    """``average = decay * average + (1 - decay) * weights`` after each step; the average is measured and saved.

    Args:
        decay: 0.99 looks back about 100 steps.
    """

    name: ClassVar[str] = "ema"
    summary: ClassVar[str] = "a moving average of the weights is measured and saved"

    def __init__(self, decay: Annotated[float, Field(ge=0, lt=1)] = 0.99) -> None:
        super().__init__()
        self.decay = decay

    def on_step(self, run: Any) -> None:
        """Move the average."""
        self.take(run, 1 - warmed(self.decay, self.count))
