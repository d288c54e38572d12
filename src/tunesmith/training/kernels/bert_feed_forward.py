"""The feed-forward half of a BERT layer as one node of autograd: ``LayerNorm(x + dropout(dense(gelu(dense(x)))))``."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch.autograd.function import once_differentiable

from tunesmith.training.kernels import residual
from tunesmith.training.kernels.dropout import random_bytes
from tunesmith.training.kernels.product import of_weight_and_bias, product


class Facts(NamedTuple):
    """What is no tensor."""

    drop_output: int
    """As ``dropout.threshold`` gives it."""
    epsilon: float
    precision: torch.dtype
    """Of the products."""


class FeedForwardHalf(torch.autograd.Function):
    """x: [batch, length, width], fp32."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, facts: Facts, *parameters: torch.Tensor) -> torch.Tensor:
        """parameters: weight and bias of the two dense layers and the norm."""
        up, up_bias, down, down_bias = (p.to(facts.precision) for p in parameters[:4])
        flat = x.reshape(-1, x.shape[-1])
        narrow = flat.to(facts.precision)
        inner = product(narrow, up, up_bias)
        active = torch.nn.functional.gelu(inner)
        drawn = random_bytes(flat.numel()).view_as(flat)
        out, norm = residual.forward(
            product(active, down, down_bias),
            flat,
            drawn,
            facts.drop_output,
            (parameters[-2], parameters[-1]),
            facts.epsilon,
        )
        ctx.save_for_backward(narrow, up, down, inner, active, drawn, *norm)
        ctx.facts = facts
        return out.view_as(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Of x and the parameters."""
        narrow, up, down, inner, active, drawn, *norm = ctx.saved_tensors
        facts = ctx.facts
        g_down, g_x, *g_norm = residual.backward(
            gradient.reshape(narrow.shape), residual.Norm(*norm), drawn, facts.drop_output, facts.precision
        )
        g_inner = torch.ops.aten.gelu_backward(torch.mm(g_down, down), inner)
        g_x.add_(torch.mm(g_inner, up))
        of_weights = *of_weight_and_bias(g_inner, narrow), *of_weight_and_bias(g_down, active)
        return g_x.view_as(gradient), None, *of_weights, *g_norm
