"""Dropout from random bytes: one generator call for eight elements, instead of one for each.

PyTorch's CPU Bernoulli draws cost more than the matrix products of a short batch. A byte has 256 values, so
the rate is rounded to 1/256 (0.1 becomes 26/256 = 0.1016) and the scale follows the rounded rate: the
expectation of the output is exactly the input.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


def random_bytes(count: int) -> torch.Tensor:
    """``count`` uniform bytes from torch's own generator, so that a run's seed and resume hold. uint8, [count]."""
    words = torch.empty((count + 7) // 8, dtype=torch.int64)
    return words.random_(-(2**63), None).view(torch.uint8)[:count]


def threshold(rate: float) -> int:
    """Bytes below this are dropped; at least one element in 256 is kept."""
    return min(255, round(rate * 256))


def kept(drawn: torch.Tensor, limit: int, precision: torch.dtype) -> torch.Tensor:
    """1 where a byte keeps its element, else 0; in ``precision``."""
    return torch.ge(drawn, limit, out=torch.empty(drawn.shape, dtype=precision))


def kept_share(limit: int) -> float:
    """The share of elements that ``limit`` keeps."""
    return (256 - limit) / 256


class Drop(torch.autograd.Function):
    """``x * kept / (1 - rate)``; keeps the bytes, not the mask, for the way back."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, limit: int) -> torch.Tensor:
        """x: any shape, floating; limit: from ``threshold``."""
        drawn = random_bytes(x.numel()).view(x.shape)
        ctx.save_for_backward(drawn)
        ctx.limit = limit
        return _masked(x, drawn, limit)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        """The same mask on the gradient."""
        (drawn,) = ctx.saved_tensors
        return _masked(gradients[0], drawn, ctx.limit), None


def _masked(x: torch.Tensor, drawn: torch.Tensor, limit: int) -> torch.Tensor:
    kept = torch.ge(drawn, limit, out=torch.empty_like(x, memory_format=torch.contiguous_format))
    return kept.mul_(x).mul_(256 / (256 - limit))


def drop(x: torch.Tensor, rate: float) -> torch.Tensor:
    """Dropout (Srivastava et al. 2014) of ``x`` at ``rate``, in training."""
    limit = threshold(rate)
    if limit == 0:
        return x
    dropped: torch.Tensor = Drop.apply(x, limit)  # type: ignore[no-untyped-call]
    return dropped


class ByteDropout(nn.Dropout):
    """``nn.Dropout`` with the same arguments and a faster CPU path."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The input in evaluation; dropped and scaled in training."""
        if not self.training or x.device.type != "cpu" or self.inplace:
            return super().forward(x)
        return drop(x, self.p)


def install(model: nn.Module) -> None:
    """Make every ``nn.Dropout`` of the model a ``ByteDropout``, in place."""
    for module in model.modules():
        if type(module) is nn.Dropout:
            module.__class__ = ByteDropout


def remove(model: nn.Module) -> None:
    """Undo ``install``."""
    for module in model.modules():
        if type(module) is ByteDropout:
            module.__class__ = nn.Dropout  # type: ignore[assignment]
