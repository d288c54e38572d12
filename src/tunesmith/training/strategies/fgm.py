"""Adversarial training on the embeddings: the fast gradient method of Miyato et al. 2017."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from tunesmith.core.contracts import Batch, LossFn, Strategy
from tunesmith.core.errors import RecipeError

if TYPE_CHECKING:
    import torch


def perturbation(gradient: torch.Tensor, epsilon: float) -> torch.Tensor:
    """``epsilon * g / ||g||`` (eq. 5), zero where the gradient is zero or not finite. The gradient's shape."""
    import torch

    norm = gradient.norm()
    if not torch.isfinite(norm) or norm == 0:
        return torch.zeros_like(gradient)
    moved: torch.Tensor = gradient * (epsilon / norm)
    return moved


class Fgm(Strategy):
    """A second pass with the embeddings moved in the direction that hurts most; both gradients count.

    Args:
        epsilon: length of the move, in units of the embedding table.
    """

    name: ClassVar[str] = "fgm"
    summary: ClassVar[str] = "adversarial training on the embeddings (Miyato et al. 2017)"

    def __init__(self, epsilon: Annotated[float, Field(gt=0)] = 0.5) -> None:
        self.epsilon = epsilon

    def start(self, run: Any) -> None:
        """Raises RecipeError where the method trains no embeddings: nothing would be done, in silence."""
        try:
            moves = run.embedding().weight.requires_grad
        except AttributeError:  # a head on vectors
            moves = False
        if not moves:
            raise RecipeError(
                'training.strategies: "fgm" moves the embeddings, which this method does not train.',
                "Use method=full, or leave out fgm.",
            )

    def after_backward(self, run: Any, batch: Batch, compute: LossFn) -> None:
        """Move, pass again, move back."""
        import torch

        weight = run.embedding().weight
        if weight.grad is None:
            return
        move = perturbation(weight.grad, self.epsilon)
        clean = weight.detach().clone()  # put back as it was: adding and subtracting would leave rounding behind
        with torch.no_grad():
            weight.add_(move)
        loss, _ = compute(run.model, batch)
        run.backward(loss)
        with torch.no_grad():
            weight.copy_(clean)
