"""What strategies share that learn from a model's own probabilities: they watch how far it leaves its start."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from tunesmith.core.contracts import Method, Strategy, Task
from tunesmith.training.strategies import needs
from tunesmith.training.strategies.drift import Drift

if TYPE_CHECKING:
    import numpy as np

MEASURED = 20
"""Times in a run that the divergence is measured."""


class NearStart(Strategy):
    """Logs figures of its own and the divergence from the start, and ends a run that goes too far.

    Args:
        max_kl: nats a token that the model may be away from its start. Beyond it the run ends: with the best weights
            that were measured before, or as an error where there are none.
    """

    new_tokens: ClassVar[bool] = True

    def __init__(self, max_kl: float) -> None:
        self.max_kl = max_kl
        self._run: Any = None
        self._drift: Drift | None = None
        self._kl = 0.0
        self._gone: int | None = None
        self._sums: dict[str, list[float]] = {}
        self._last: dict[str, float] = {}

    def fits(self, task: Task, method: Method) -> str | None:
        """A causal model that writes, with a backbone that learns, and an answer a row."""
        return needs.backbone(method) or needs.causal(task) or needs.unpacked(task)

    def prepare(self, run: Any) -> None:
        """Keep the run."""
        self._run = run

    @abstractmethod
    def prompts(self) -> Sequence[np.ndarray]:
        """Ids of the training rows' prompts."""

    def begin(self) -> None:
        """Before the first gradient of a new run, whose weights are those of the start: keep what is wanted of it."""
        self._drift = Drift(self._run, self.prompts())

    def begin_once(self) -> None:
        """The same, unless it was done before, in this run or the one that it resumes."""
        if self._drift is None:
            self.begin()

    def saw(self, **values: float) -> None:
        """Take figures of a batch in, for the log."""
        for name, value in values.items():
            total = self._sums.setdefault(name, [0.0, 0.0])
            total[0] += value
            total[1] += 1

    def on_step(self, run: Any) -> None:
        """Measure the divergence now and then; end the run where it is too large."""
        if self._drift is None or (run.step % max(1, run.total_steps // MEASURED) and run.step < run.total_steps):
            return
        self._kl = self._drift(run)
        if not self._kl <= self.max_kl:  # also where it is no number
            self._gone = run.step
            run.halt = (
                f"{self.name}: at step {run.step} the model is {self._kl:.3g} nats a token away from its start, and "
                f"max_kl is {self.max_kl:g}"
            )

    def figures(self) -> dict[str, float]:
        """Means since the last call, and the divergence."""
        if self._drift is not None:
            self._last = {"kl": self._kl, **{name: total / count for name, (total, count) in self._sums.items()}}
        self._sums.clear()
        return dict(self._last)

    def state(self) -> dict[str, Any]:
        """What was kept of the start, and what the log has not got yet."""
        if self._drift is None:
            return {}
        told = {"sums": self._sums, "last": self._last, "kl": self._kl, "gone": self._gone}
        return {**self._drift.state(), "told": told}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take back what ``state`` returned."""
        if "drift.then" not in state:
            return
        self._drift, told = Drift.of_state(state), state["told"]
        self._sums, self._last = {k: list(v) for k, v in told["sums"].items()}, dict(told["last"])
        self._kl, self._gone = told["kl"], told["gone"]

    def facts(self) -> dict[str, Any]:
        """The last figures, and whether the run had to end for them."""
        found = {**self._last, "kl": self._kl, "max_kl": self.max_kl, "halted_at": self._gone}
        words = f"{self.name}: {self._kl:.3g} nats a token away from the start at the end of training."
        if self._gone is not None:
            words = (
                f"{self.name}: training ended at step {self._gone}, {self._kl:.3g} nats a token away from the start "
                f"(max_kl {self.max_kl:g}); the weights are the best that were measured before."
            )
        return {**found, "words": words}
