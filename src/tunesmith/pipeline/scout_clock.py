"""What a step and an evaluation of a short trial take, and what a whole run would take by them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from tunesmith.core.contracts import Tracker


class Clock(Tracker):
    """Listens to a run: seconds from one step's end to the next one's, and from a step's end to its evaluation's.

    The first step is in no gap: it makes what the others find made (buffers, threads, kernels).
    """

    name: ClassVar[str] = "clock"
    summary: ClassVar[str] = "seconds of steps and evaluations"

    def __init__(self) -> None:
        self.gaps: list[float] = []
        self.evaluations: list[float] = []
        self._stepped: float | None = None

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """A step has ended, or an evaluation."""
        now, stepped = time.monotonic(), self._stepped
        evaluated = any(key.startswith("validation/") for key in values)
        if stepped is not None:
            (self.evaluations if evaluated else self.gaps).append(now - stepped)
        self._stepped = None if evaluated else now

    def step(self, otherwise: float) -> float:
        """Seconds of a step; ``otherwise`` where fewer than two were heard."""
        return statistics.median(self.gaps) if self.gaps else otherwise


@dataclass(frozen=True)
class Short:
    """Seconds of a short trial.

    Args:
        build: loading the model.
        step: one step.
        evaluation: one evaluation while training, with what strategies do for it.
        answers: of the rows that it is measured on.
        beside: all else: encoding, or the features of a frozen backbone, and the checkpoint.
    """

    build: float
    step: float
    evaluation: float
    answers: float
    beside: float


def whole(
    short: Short, *, steps: float, evaluations: float, growth: float, measured: float, features: bool
) -> float:  # fmt: skip
    """Seconds of the whole run.

    Args:
        steps: of the whole run.
        evaluations: of the whole run.
        growth: its rows for training and validation, over the trial's.
        measured: the rows that it is measured on, over the trial's.
        features: whether ``beside`` is mostly the backbone's features, a cost by rows; else it is mostly fixed.
    """
    return (
        short.build
        + steps * short.step
        + evaluations * short.evaluation * growth
        + short.answers * measured
        + short.beside * (growth if features else 1.0)
    )
