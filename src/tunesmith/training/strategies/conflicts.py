"""Gradients of several tasks that pull against each other: PCGrad (Yu et al. 2020)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def without_conflicts(
    gradients: Sequence[Sequence[torch.Tensor]], orders: Sequence[Sequence[int]]
) -> list[torch.Tensor]:
    """The sum of the tasks' gradients, each without what goes against another's (algorithm 1).

    ``g_i -= (g_i . g_j) / ||g_j||^2 * g_j`` where ``g_i . g_j < 0``; g_j is the task's own, as it was.

    Args:
        gradients: of each task, one tensor a weight.
        orders: for each task, the others in the order in which they are looked at; the paper draws it.
    """
    squares = [float(_dot(gradient, gradient)) for gradient in gradients]
    total: list[torch.Tensor] = []
    for i, order in enumerate(orders):
        own = [g.clone() for g in gradients[i]]
        for j in order:
            against = float(_dot(own, gradients[j]))
            if against < 0 and squares[j] > 0:
                for mine, other in zip(own, gradients[j], strict=True):
                    mine.sub_(other, alpha=against / squares[j])
        total = own if not total else [a.add_(b) for a, b in zip(total, own, strict=True)]
    return total


def _dot(one: Sequence[torch.Tensor], other: Sequence[torch.Tensor]) -> Any:
    import torch

    return torch.stack([torch.dot(a.flatten(), b.flatten()) for a, b in zip(one, other, strict=True)]).sum()


def with_gradient(
    loss: torch.Tensor, weights: Sequence[torch.Tensor], gradients: Sequence[torch.Tensor]
) -> torch.Tensor:
    """A loss of the same value whose gradient is the one given: it goes through the loop as any other."""
    import torch

    class Given(torch.autograd.Function):
        """Forward gives the value, backward the gradients."""

        @staticmethod
        def forward(ctx: Any, value: torch.Tensor, *_: torch.Tensor) -> torch.Tensor:
            return value.clone()

        @staticmethod
        def backward(ctx: Any, *outer: torch.Tensor) -> Any:
            return (None, *(gradient * outer[0] for gradient in gradients))

    found: torch.Tensor = Given.apply(loss.detach(), *weights)  # type: ignore[no-untyped-call]
    return found
