"""Stochastic weight averaging: Izmailov et al. 2018."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field

from tunesmith.training.strategies.weight_average import WeightAverage


class Swa(WeightAverage):
    """The plain mean of weights of the last part of the run, one every so many steps (algorithm 1).

    The paper keeps the learning rate high meanwhile: ``training.schedule=constant``. There are no batch norms to
    compute anew in these models.

    Args:
        begin: share of the run after which weights are taken.
        every: steps between two of them.
    """

    name: ClassVar[str] = "swa"
    summary: ClassVar[str] = "the mean of the last weights is measured and saved (Izmailov et al. 2018)"

    def __init__(
        self, begin: Annotated[float, Field(ge=0, lt=1)] = 0.5, every: Annotated[int, Field(ge=1)] = 5
    ) -> None:
        super().__init__()
        self.begin = begin
        self.every = every

    def on_step(self, run: Any) -> None:
        """``mean += (weights - mean) / (n + 1)``."""
        if run.step > self.begin * run.total_steps and run.step % self.every == 0:
            self.take(run, 1 / (self.count + 1))
