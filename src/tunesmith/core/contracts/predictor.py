"""What answers rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np

    from tunesmith.core.contracts.rows import Feature, Prediction, Row
    from tunesmith.core.contracts.task import Task


class PredictorLike(Protocol):
    """Whatever answers: the same object whatever the runtime."""

    task: Task

    def predict(self, rows: Sequence[Row], progress: Callable[[int, int], None] | None = None) -> list[Prediction]:
        """One prediction a row, in order."""
        ...

    def encode(self, rows: Sequence[Row], *, targets: bool = False) -> list[Feature]:
        """What the model reads of rows, and of their targets where they are asked for."""
        ...

    def infer(self, features: Sequence[Feature]) -> list[np.ndarray]:
        """One array a feature, in order."""
        ...

    def score(self, features: Sequence[Feature]) -> list[np.ndarray]:
        """The log-probabilities of each feature's target, in order. Only of generative tasks."""
        ...
