"""What a search sees of a run: its evaluations on the validation rows, as a tracker gets them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from tunesmith.core.contracts import Tracker

Hopeless = Callable[[int, int, float], bool]
"""(number of the evaluation, step, value) -> whether the run is to be given up."""


class Pruned(Exception):  # noqa: N818 - no error: it ends a run that others have left behind
    """The run was given up."""


class Reporter(Tracker):
    """Hands each ``validation/METRIC`` on, and ends the run by ``Pruned`` where it is hopeless.

    Args:
        metric: the primary one.
        hopeless: what decides.
        earlier: steps and values that a killed run had; those before its checkpoint are handed on again.
    """

    name: ClassVar[str] = "search"
    summary: ClassVar[str] = "hands evaluations to a search"

    def __init__(self, metric: str, hopeless: Hopeless, earlier: Sequence[Sequence[float]] = ()) -> None:
        self.metric, self.hopeless, self.earlier = metric, hopeless, earlier
        self.evaluations = self.total = self.step = 0

    def steps(self, done: int, total: int) -> None:
        """Training begins, or goes on at ``done``."""
        self.step, self.total = done, total
        for step, value in self.earlier:
            if step <= done:
                self._hand_on(int(step), value)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Only evaluations matter here. After the last there is nothing to give up."""
        self.step = step
        value = values.get(f"validation/{self.metric}")
        if value is not None and self._hand_on(step, value) and step < self.total:
            raise Pruned

    def _hand_on(self, step: int, value: float) -> bool:
        self.evaluations += 1
        return self.hopeless(self.evaluations, step, value)
