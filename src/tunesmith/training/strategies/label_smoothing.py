"""Soft targets: Szegedy et al. 2016, section 7."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from tunesmith.training.strategies.shaped_loss import ShapedLoss


class LabelSmoothing(ShapedLoss):
    """A share of each target goes to all classes alike (eq. 7): for texts, tokens, answers and choices.

    Args:
        smoothing: the share.
        power: as ``class_weights``; 0: none.
    """

    name: ClassVar[str] = "label_smoothing"
    summary: ClassVar[str] = "a share of each target goes to all classes (Szegedy et al. 2016)"

    def __init__(
        self,
        smoothing: Annotated[float, Field(gt=0, lt=1)] = 0.1,
        power: Annotated[float, Field(ge=0, le=1)] = 0.0,
    ) -> None:
        super().__init__(0.0, smoothing, power)
