"""Consistency under dropout: R-Drop (Liang et al. 2021)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from tunesmith.core.contracts import Batch, LossFn, Strategy
from tunesmith.training.strategies.decisions import divergence

if TYPE_CHECKING:
    import torch


class RDrop(Strategy):
    """Two passes with different dropout masks, held together by their divergence.

    Args:
        alpha: weight of the divergence (alpha in eq. 4; the paper uses 1 to 5 for text classification).
    """

    name: ClassVar[str] = "r_drop"
    summary: ClassVar[str] = "consistency between two dropout masks (Liang et al. 2021)"

    def __init__(self, alpha: Annotated[float, Field(ge=0)] = 1.0) -> None:
        self.alpha = alpha
        self.task: Any = None

    def start(self, run: Any) -> None:
        """The task knows how far two outputs are apart."""
        self.task = run.task

    def loss(self, compute: LossFn) -> LossFn:
        """The mean of both losses, plus ``alpha`` times the symmetric divergence."""

        def both(model: Any, batch: Batch) -> tuple[torch.Tensor, Any]:
            one, first = compute(model, batch)
            if not model.training:
                return one, first
            other, second = compute(model, batch)
            return (one + other) / 2 + self.alpha * divergence(self.task, first, second, batch), first

        return both
