"""Rare classes count more."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from tunesmith.training.strategies.shaped_loss import ShapedLoss


class ClassWeights(ShapedLoss):
    """Each class weighs ``count ** -power``, the mean over the training rows being 1.

    text-classification does this by itself where classes are uneven; this is for tokens and labels, too, where a tag
    such as O may have nine tenths of all tokens.

    Args:
        power: 0.5, the inverse root: full inverse weights (1) let a class of three rows shake the whole model.
    """

    name: ClassVar[str] = "class_weights"
    summary: ClassVar[str] = "rare classes count more"

    def __init__(self, power: Annotated[float, Field(gt=0, le=1)] = 0.5) -> None:
        super().__init__(power=power)
