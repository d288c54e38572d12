"""The focal loss: Lin et al. 2017."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from tunesmith.training.strategies.shaped_loss import ShapedLoss


class Focal(ShapedLoss):
    """``-(1 - p)^gamma log p`` (eq. 4): what is easy already counts less, which helps rare classes.

    It takes the place of the task's loss, its options ``class_weights`` and ``label_smoothing`` included.

    Args:
        gamma: how much less; 0: cross-entropy.
        smoothing: as ``label_smoothing``.
        power: as ``class_weights``; 0: none.
    """

    name: ClassVar[str] = "focal"
    summary: ClassVar[str] = "what is easy counts less (Lin et al. 2017)"

    def __init__(
        self,
        gamma: Annotated[float, Field(ge=0)] = 2.0,
        smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0,
        power: Annotated[float, Field(ge=0, le=1)] = 0.0,
    ) -> None:
        super().__init__(gamma, smoothing, power)
