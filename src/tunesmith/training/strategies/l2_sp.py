"""Stay near the pretrained weights: L2-SP (Li et al. 2018)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from tunesmith.core.contracts import Batch, LossFn, Method, Strategy, Task
from tunesmith.training.strategies import needs
from tunesmith.training.strategies.new_weights import start_of

if TYPE_CHECKING:
    import torch


def penalty(
    weights: Mapping[str, torch.Tensor], start: Mapping[str, torch.Tensor], alpha: float, beta: float
) -> torch.Tensor:
    """``alpha / 2 * ||w - w0||^2 + beta / 2 * ||w_new||^2`` (eq. 3): a scalar.

    Args:
        weights: by name.
        start: where the pretrained ones were; those without a start are new.
    """
    import torch

    old = [(w - start[name]).square().sum() for name, w in weights.items() if name in start]
    new = [w.square().sum() for name, w in weights.items() if name not in start]
    return alpha / 2 * sum(old, torch.zeros(())) + beta / 2 * sum(new, torch.zeros(()))


class L2Sp(Strategy):
    """Pretrained weights are drawn to where they started, the head's to zero.

    Under lora, where the update starts at zero, it is the update that stays small.

    Args:
        alpha: towards the start (the paper's 0.1 is for vision and SGD; with AdamW the same pull needs less).
        beta: towards zero, for new weights.
    """

    name: ClassVar[str] = "l2_sp"
    summary: ClassVar[str] = "stay near the pretrained weights (Li et al. 2018)"

    def __init__(self, alpha: Annotated[float, Field(ge=0)] = 0.01, beta: Annotated[float, Field(ge=0)] = 0.01) -> None:
        self.alpha = alpha
        self.beta = beta
        self._start: dict[str, torch.Tensor] = {}

    def fits(self, task: Task, method: Method) -> str | None:
        """Not where nothing that was pretrained is trained."""
        return needs.backbone(method)

    def start(self, run: Any) -> None:
        """Keep the start."""
        self._start = start_of(run)

    def after_backward(self, run: Any, batch: Batch, compute: LossFn) -> None:
        """Add the penalty's gradient."""
        run.backward(penalty(run.trained(), self._start, self.alpha, self.beta))
