"""When a run has lost its way: a loss that is no number, or far above where it began."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tunesmith.core.contracts import Feature
from tunesmith.core.errors import TrainingError

WINDOW = 20
"""Batches that are looked at together."""
EXPLODED = 10.0
"""The factor above the first batches' loss (at least 1: a run may start close to zero) that no run comes back from."""
SHOWN = 16
HINT = "Try a smaller training.learning_rate (a third), training.clip=1.0 or training.precision=fp32"


class Watch:
    """Looks at each batch's loss.

    Args:
        seen: what an earlier run of this one has left: ``seen`` of its own.
    """

    def __init__(self, seen: Sequence[float] = ()) -> None:
        self.seen = list(seen)
        """The first ``WINDOW`` losses, then the latest ``WINDOW``."""

    def look(self, loss: float, step: int, features: Sequence[Feature]) -> None:
        """Take in a loss.

        Args:
            step: counted from 1.
            features: the batch's.

        Raises:
            TrainingError: it is not a number, or the latest losses are out of all proportion to the first.
        """
        if not math.isfinite(loss):
            raise diverged(f"The loss is {loss} at step {step}", features)
        if len(self.seen) == 2 * WINDOW:
            del self.seen[WINDOW]
        self.seen.append(loss)
        first, latest = self.seen[:WINDOW], self.seen[WINDOW:]
        if exploded(first, latest):
            raise diverged(
                f"The median loss of the last {WINDOW} batches is {np.median(latest):.3g} at step {step}, and was "
                f"{np.median(first):.3g} over the first",
                features,
            )

    def gradient(self, norm: float, step: int, features: Sequence[Feature]) -> None:
        """Look at the norm of a step's gradient. Raises TrainingError where it is not a number."""
        if not math.isfinite(norm):
            raise diverged(f"The gradient's norm is {norm} at step {step}", features)


def exploded(first: Sequence[float], latest: Sequence[float]) -> bool:
    """Whether the median of ``latest`` losses, ``WINDOW`` of them, is ``EXPLODED`` times that of the ``first``.

    The median: one odd batch may have any loss.
    """
    return len(latest) == WINDOW and float(np.median(latest)) > EXPLODED * max(1.0, float(np.median(first)))


def diverged(what: str, features: Sequence[Feature]) -> TrainingError:
    """The error: what was seen, the rows that the batch was made of, and what to try."""
    rows = sorted({int(feature["row"]) + 1 for feature in features if feature.get("row", -1) >= 0})
    told = ", ".join(map(str, rows[:SHOWN])) + (" ..." if len(rows) > SHOWN else "")
    where = f" The batch is of the training rows {told}." if rows else ""
    also = "; and look at these rows." if rows else "."
    return TrainingError(f"{what}: training has diverged.{where}", HINT + also)
