"""``LayerNorm(x + dropout(branch))``, forward and backward: the end of both halves of a BERT layer.

The sum and the norm are fp32; the branch and its gradient have the precision of the products.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from tunesmith.training.kernels.dropout import kept, kept_share


class Norm(NamedTuple):
    """What ``backward`` needs of the layer norm."""

    summed: torch.Tensor
    mean: torch.Tensor
    rstd: torch.Tensor
    weight: torch.Tensor
    bias: torch.Tensor


def forward(
    branch: torch.Tensor,
    x: torch.Tensor,
    drawn: torch.Tensor,
    limit: int,
    weight_and_bias: tuple[torch.Tensor, torch.Tensor],
    epsilon: float,
) -> tuple[torch.Tensor, Norm]:
    """branch: [tokens, width], overwritten; x: fp32, the same shape; drawn: its random bytes; limit: of dropout."""
    if limit:
        branch.mul_(kept(drawn, limit, branch.dtype))
    summed = torch.add(x, branch, alpha=1 / kept_share(limit))
    weight, bias = weight_and_bias
    out, mean, rstd = torch.native_layer_norm(summed, weight.shape, weight, bias, epsilon)
    return out, Norm(summed, mean, rstd, weight, bias)


def backward(
    gradient: torch.Tensor, norm: Norm, drawn: torch.Tensor, limit: int, precision: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Gradients of branch (in ``precision``), x, weight and bias; none shares its memory with another."""
    summed, weight, bias = torch.ops.aten.native_layer_norm_backward(
        gradient, norm.summed, norm.weight.shape, norm.mean, norm.rstd, norm.weight, norm.bias, [True, True, True]
    )
    branch = summed.to(precision, copy=True)
    if limit:
        branch.mul_(kept(drawn, limit, precision)).div_(kept_share(limit))
    return branch, summed, weight, bias
