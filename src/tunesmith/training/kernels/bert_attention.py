"""The attention half of a BERT layer as one node of autograd: ``LayerNorm(x + dropout(dense(attention(x))))``.

Query, key and value are one product. The scale of dropped probabilities is put on the values, which are smaller.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch.autograd.function import once_differentiable

from tunesmith.training.kernels import residual
from tunesmith.training.kernels.dropout import kept, kept_share, random_bytes
from tunesmith.training.kernels.product import of_weight_and_bias, product


class Facts(NamedTuple):
    """What is no tensor."""

    heads: int
    drop_weights: int
    """Of the attention's probabilities, as ``dropout.threshold`` gives it."""
    drop_output: int
    epsilon: float
    precision: torch.dtype
    """Of the products."""


class AttentionHalf(torch.autograd.Function):
    """x: [batch, length, width], fp32; mask: additive, [batch, 1, length or 1, length]."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, mask: torch.Tensor | None, facts: Facts, *parameters: torch.Tensor
    ) -> torch.Tensor:
        """parameters: weight and bias of query, key, value, dense and norm."""
        (batch, length, width), heads, precision = x.shape, facts.heads, facts.precision
        flat = x.reshape(-1, width)
        narrow = flat.to(precision)
        packed, packed_bias = _packed(parameters[:6], precision)
        dense, dense_bias = (p.to(precision) for p in parameters[6:8])
        states = product(narrow, packed, packed_bias).view(batch, length, 3, heads, -1)
        parts = states.permute(2, 0, 3, 1, 4).reshape(3, batch * heads, length, -1)
        query, key, value = parts
        query.mul_(query.shape[-1] ** -0.5)
        scores = torch.bmm(query, key.mT)
        if mask is not None:
            scores.view(batch, heads, length, length).add_(mask.to(precision))
        weights = dropped = torch.softmax(scores, -1)
        drawn = random_bytes(weights.numel() + flat.numel())
        if facts.drop_weights:
            dropped = kept(_first(drawn, weights), facts.drop_weights, precision).mul_(weights)
            value.div_(kept_share(facts.drop_weights))
        mixed = torch.bmm(dropped, value).view(batch, heads, length, -1).transpose(1, 2).reshape(-1, width)
        out, norm = residual.forward(
            product(mixed, dense, dense_bias),
            flat,
            _last(drawn, flat),
            facts.drop_output,
            (parameters[-2], parameters[-1]),
            facts.epsilon,
        )
        ctx.save_for_backward(narrow, packed, dense, parts, weights, dropped, drawn, mixed, *norm)
        ctx.facts = facts
        return out.view_as(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Of x and the parameters."""
        narrow, packed, dense, parts, weights, dropped, drawn, mixed, *norm = ctx.saved_tensors
        (batch, length, width), facts = gradient.shape, ctx.facts
        query, key, value = parts
        g_dense, g_x, *g_norm = residual.backward(
            gradient.reshape(-1, width), residual.Norm(*norm), _last(drawn, narrow), facts.drop_output, facts.precision
        )
        g_mixed = torch.mm(g_dense, dense).view(batch, length, facts.heads, -1).transpose(1, 2).reshape(query.shape)
        g_weights = torch.bmm(g_mixed, value.mT)
        g_parts = torch.empty_like(parts)
        torch.bmm(dropped.mT, g_mixed, out=g_parts[2])
        if facts.drop_weights:
            g_parts[2].div_(kept_share(facts.drop_weights))
            g_weights.mul_(kept(_first(drawn, weights), facts.drop_weights, facts.precision))
        g_scores = torch.ops.aten._softmax_backward_data(g_weights, weights, -1, facts.precision)
        torch.bmm(g_scores, key, out=g_parts[0]).mul_(query.shape[-1] ** -0.5)
        torch.bmm(g_scores.mT, query, out=g_parts[1])
        g_states = g_parts.view(3, batch, facts.heads, length, -1).permute(1, 3, 0, 2, 4).reshape(-1, 3 * width)
        g_x.add_(torch.mm(g_states, packed))
        of_packed = (torch.split(g, width) for g in of_weight_and_bias(g_states, narrow))
        of_parts = [g for pair in zip(*of_packed, strict=True) for g in pair]
        return g_x.view_as(gradient), None, None, *of_parts, *of_weight_and_bias(g_dense, mixed), *g_norm


def _packed(parameters: tuple[torch.Tensor, ...], precision: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights [3 * width, width] and biases [3 * width] of query, key and value."""
    width = len(parameters[1])
    packed = torch.empty(3 * width, parameters[0].shape[1], dtype=precision)
    for part, weight in zip(torch.split(packed, width), parameters[::2], strict=True):
        part.copy_(weight)
    return packed, torch.cat(parameters[1::2]).to(precision)


def _first(drawn: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return drawn[: like.numel()].view_as(like)


def _last(drawn: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return drawn[len(drawn) - like.numel() :].view_as(like)
