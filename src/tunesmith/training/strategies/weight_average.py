"""Averages of the weights along the way, which are measured and saved in the place of the last ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tunesmith.core.contracts import Strategy

if TYPE_CHECKING:
    import torch


@contextmanager
def exchanged(weights: Mapping[str, torch.Tensor], others: dict[str, torch.Tensor]) -> Iterator[None]:
    """``others``, by name, in the places of weights within; what is written there meanwhile stays in ``others``."""

    def exchange() -> None:
        for name, other in others.items():
            # Pointers, not values: nothing is copied, and what autograd saved is what it was.
            others[name], weights[name].data = weights[name].data, other

    exchange()
    try:
        yield
    finally:
        exchange()


class WeightAverage(Strategy):
    """Keeps an average of what is trained; subclasses say when it moves, and how far."""

    def __init__(self) -> None:
        self.average: dict[str, torch.Tensor] = {}
        self.count = 0
        """Weights that have gone into the average."""

    def start(self, run: Any) -> None:
        """The average starts with the weights that there are."""
        self.average = {name: p.detach().clone() for name, p in run.trained().items()}

    def take(self, run: Any, share: float) -> None:
        """``average += share * (weights - average)``."""
        import torch

        weights = run.trained()
        with torch.no_grad():
            for name, average in self.average.items():
                average.lerp_(weights[name], share)
        self.count += 1

    @contextmanager
    def measured(self, run: Any) -> Iterator[None]:
        """The average in the weights' place, if it is one of any."""
        if not self.count:
            yield
            return
        with exchanged(run.trained(), self.average):
            yield

    def state(self) -> dict[str, Any]:
        """The average, and how many weights are in it."""
        return {**self.average, "count": self.count}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take back what ``state`` returned."""
        self.count = int(state["count"])
        for name, average in self.average.items():
            average.copy_(state[name])
