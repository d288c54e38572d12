"""A linear layer's three matrix products, in the precision of training."""

from __future__ import annotations

import torch


def product(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """``x @ weight.T + bias``, x: [tokens, in], weight: [out, in].

    Adding afterwards is faster on CPUs than the one call that also adds.
    """
    return torch.mm(x, weight.t()).add_(bias)


def of_weight_and_bias(gradient: torch.Tensor, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """fp32 gradients of weight [out, in] and bias [out]; gradient: [tokens, out], x: the product's input."""
    return torch.mm(gradient.t(), x).float(), gradient.sum(0).float()
