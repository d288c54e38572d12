"""Adversarial training on the embeddings: the fast gradient method of Miyato et al. 2017."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from tunesmith.core.contracts import Batch, LossFn, Method, Strategy, Task
from tunesmith.core.errors import RecipeError
from tunesmith.training.strategies import needs

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


def gathered(ids: torch.Tensor, gradients: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What the gradients of looked-up vectors [n, width] mean for the table: its rows [r], their gradients [r, width].

    Args:
        ids: the rows looked up, [n].
    """
    import torch

    rows, place = torch.unique(ids, return_inverse=True)
    return rows, gradients.new_zeros(len(rows), gradients.shape[-1]).index_add_(0, place, gradients)


class Fgm(Strategy):
    """A second pass with the embeddings moved in the direction that hurts most; both gradients count.

    A table that is not trained (freeze, lora) is moved all the same, and put back.

    Args:
        epsilon: length of the move, in units of the embedding table.
    """

    name: ClassVar[str] = "fgm"
    summary: ClassVar[str] = "adversarial training on the embeddings (Miyato et al. 2017)"

    def __init__(self, epsilon: Annotated[float, Field(gt=0)] = 0.5) -> None:
        self.epsilon = epsilon
        self._embedding: Any = None
        self._lookups: list[tuple[torch.Tensor, torch.Tensor]] = []
        self._earlier: torch.Tensor | None = None
        """What earlier batches of the step have left in the gradient of a trained table."""
        self._moved = False

    def fits(self, task: Task, method: Method) -> str | None:
        """Not on vectors that were computed before, nor on embeddings that are computed."""
        return needs.backbone(method) or needs.own_table(method)

    def start(self, run: Any) -> None:
        """Raises RecipeError where there are no embeddings to move: a head on vectors that were computed before."""
        if not hasattr(run.model, "get_input_embeddings") and not hasattr(run.model, "get_base_model"):
            raise RecipeError(
                'training.strategies: "fgm" moves the embeddings; this method trains a head on finished vectors.',
                "Use method=full or method=lora, or leave out fgm.",
            )
        self._embedding = run.embedding()

    def loss(self, compute: LossFn) -> LossFn:
        """The same loss; what a table that is not trained gives out is kept, to learn its gradient."""

        def watched(model: Any, batch: Batch) -> tuple[torch.Tensor, Any]:
            weight = self._embedding.weight
            if weight.requires_grad and weight.grad is not None and self._earlier is None and not self._moved:
                self._earlier = weight.grad.clone()
            with self._watched():
                return compute(model, batch)

        return watched

    def after_backward(self, run: Any, batch: Batch, compute: LossFn) -> None:
        """Move, pass again, move back."""
        import torch

        weight = self._embedding.weight
        rows, gradient = self._gradient(weight)
        if gradient is None:
            return
        clean = weight.detach()[rows].clone()  # put back as it was: subtracting the move would leave rounding behind
        with torch.no_grad():
            weight[rows] = clean + perturbation(gradient, self.epsilon)
        self._earlier, self._moved = None, True
        loss, _ = compute(run.model, batch)
        self._moved = False
        run.backward(loss)
        self._lookups.clear()
        with torch.no_grad():
            weight[rows] = clean

    def _gradient(self, weight: torch.Tensor) -> tuple[Any, torch.Tensor | None]:
        """Rows of the table, and their gradient of this batch alone."""
        import torch

        if weight.requires_grad:
            if weight.grad is None or self._earlier is None:
                return slice(None), weight.grad
            return slice(None), weight.grad - self._earlier
        seen = [(ids.flatten(), out.grad.flatten(0, -2)) for ids, out in self._lookups if out.grad is not None]
        self._lookups.clear()
        if not seen:
            return slice(0), None
        return gathered(torch.cat([ids for ids, _ in seen]), torch.cat([gradients for _, gradients in seen]))

    @contextmanager
    def _watched(self) -> Iterator[None]:
        if self._embedding.weight.requires_grad:
            yield
            return
        handle = self._embedding.register_forward_hook(self._keep)
        try:
            yield
        finally:
            handle.remove()

    def _keep(self, module: Any, inputs: Any, output: torch.Tensor) -> torch.Tensor:
        if module.training:
            output.requires_grad_(True)
            self._lookups.append((inputs[0], output))
        return output
