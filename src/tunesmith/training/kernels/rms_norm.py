"""RMSNorm (Zhang & Sennrich 2019) and its backward, in fp32, as transformers' Llama computes it."""

from __future__ import annotations

import torch


def normed(
    x: torch.Tensor, weight: torch.Tensor, eps: float, precision: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    """``x / rms(x) * weight`` in ``precision``, and ``1 / rms(x)`` [tokens, 1]; x: fp32 [tokens, width]."""
    inverse = torch.rsqrt(x.square().mean(-1, keepdim=True) + eps)
    return (x * inverse).mul_(weight).to(precision), inverse


def normed_backward(
    gradient: torch.Tensor, x: torch.Tensor, inverse: torch.Tensor, weight: torch.Tensor, of_weight: bool
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Gradients of x and, if wanted, of the weight; fp32.

    Args:
        gradient: of the normed, [tokens, width], any precision.
    """
    given = gradient.float()
    unit = x * inverse
    to_weight = (given * unit).sum(0) if of_weight else None
    given = given.mul_(weight) if gradient.dtype != torch.float32 else given * weight
    share = (given * unit).mean(-1, keepdim=True)
    return given.sub_(unit.mul_(share)).mul_(inverse), to_weight
