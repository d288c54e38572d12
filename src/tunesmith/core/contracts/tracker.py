"""Where a run is written down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class Tracker:
    """Where a run is written down. Every method does nothing here."""

    name: ClassVar[str]
    summary: ClassVar[str]

    def start(self, folder: str, run: Mapping[str, Any]) -> None:
        """``folder`` is the run's own; ``run`` has ``recipe`` and ``samples`` (training rows)."""

    def steps(self, done: int, total: int) -> None:
        """Training begins: ``total`` steps, of which a resumed run has ``done``."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Figures at a step: ``loss``, ``learning_rate``, ``samples_per_second``, ``validation/<metric>`` ..."""

    def stage(self, name: str) -> None:
        """The run has entered a stage: "read", "baselines", "before", "train", "evaluate", "save", "reload"."""

    def progress(self, done: int, total: int) -> None:
        """How far a stage without steps is: features computed, of all."""

    def finish(self) -> None:
        """The run has ended, well or not."""
