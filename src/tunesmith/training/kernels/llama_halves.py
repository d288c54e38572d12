"""The two halves of a Llama layer as one node each, with their backward: attention, and the gated feed-forward.

Kept for the way back are a half's input and its products; norms, rotations and gates are made again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from tunesmith.training.kernels.causal_attention import attend, attend_backward
from tunesmith.training.kernels.linears import Linears
from tunesmith.training.kernels.rms_norm import normed, normed_backward


@dataclass(frozen=True)
class Facts:
    """What a half's node must know beside its tensors.

    Args:
        inner: the linear layers that read the norm's output.
        outer: the one that gives the half's own.
        eps: of the norm.
        precision: of the products.
        width: of a head; 0 in the feed-forward half.
        scale: of the attention's scores.
    """

    inner: Linears
    outer: Linears
    eps: float
    precision: torch.dtype
    width: int = 0
    scale: float = 0.0


class AttentionHalf(torch.autograd.Function):
    """``x + attention(norm(x))``: [rows, length, width], fp32 in and out."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        cos: torch.Tensor,
        sin: torch.Tensor,
        mask: torch.Tensor | None,
        facts: Facts,
        weight: torch.Tensor,
        *parameters: torch.Tensor,
    ) -> torch.Tensor:
        """cos, sin: [rows or 1, length, width of a head]; mask: see ``attend``; weight: the norm's."""
        flat = x.reshape(-1, x.shape[-1])
        read, inverse = normed(flat, weight, facts.eps, facts.precision)
        inner, outer = _divided(facts, parameters)
        joined, small = facts.inner.forward(read, inner)
        query, key, value = _heads(joined, x.shape, facts)
        query, key = (_rotated(one, cos, sin) for one in (query, key))
        value = value.contiguous()  # a view would keep all heads' products alive
        mixed = attend(query, key, value, mask, facts.scale)
        given = _rows(mixed)
        out, small_out = facts.outer.forward(given, outer)
        ctx.save_for_backward(
            x, cos, sin, mask, weight, inverse, query, key, value, mixed, small, small_out, *parameters
        )
        ctx.facts = facts
        return (flat + out).view(x.shape)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Gradients of x, of the norm's weight and of the parameters."""
        x, cos, sin, mask, weight, inverse, query, key, value, mixed, small, small_out, *parameters = ctx.saved_tensors
        facts: Facts = ctx.facts
        flat, down = x.reshape(-1, x.shape[-1]), gradients[0].reshape(-1, x.shape[-1])
        inner, outer = _divided(facts, parameters)
        to_given, of_outer = facts.outer.backward(down.to(facts.precision), _rows(mixed), small_out, outer, True)
        assert to_given is not None
        to_mixed = to_given.view(x.shape[0], x.shape[1], -1, facts.width).transpose(1, 2)
        to_query, to_key, to_value = attend_backward(to_mixed, query, key, value, mixed, mask, facts.scale)
        to_query, to_key = (_rotated(one, cos, -sin) for one in (to_query, to_key))
        to_joined = torch.cat([_rows(one) for one in (to_query, to_key, to_value)], dim=-1)
        further = ctx.needs_input_grad[0] or ctx.needs_input_grad[5]
        read, _ = normed(flat, weight, facts.eps, facts.precision)
        to_read, of_inner = facts.inner.backward(to_joined, read, small, inner, further)
        to_x, to_weight = _through_norm(ctx, to_read, flat, inverse, weight, down, 5)
        return (to_x if to_x is None else to_x.view(x.shape), None, None, None, None, to_weight, *of_inner, *of_outer)


class FeedForwardHalf(torch.autograd.Function):
    """``x + W_down (silu(W_gate norm(x)) * W_up norm(x))``: SwiGLU (Shazeer 2020); fp32 in and out."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, facts: Facts, weight: torch.Tensor, *parameters: torch.Tensor
    ) -> torch.Tensor:
        """x: [rows, length, width]; weight: the norm's."""
        flat = x.reshape(-1, x.shape[-1])
        read, inverse = normed(flat, weight, facts.eps, facts.precision)
        inner, outer = _divided(facts, parameters)
        joined, small = facts.inner.forward(read, inner)
        gate, up = joined.chunk(2, dim=-1)
        out, small_out = facts.outer.forward(torch.nn.functional.silu(gate).mul_(up), outer)
        ctx.save_for_backward(x, weight, inverse, joined, small, small_out, *parameters)
        ctx.facts = facts
        return (flat + out).view(x.shape)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Gradients of x, of the norm's weight and of the parameters."""
        x, weight, inverse, joined, small, small_out, *parameters = ctx.saved_tensors
        facts: Facts = ctx.facts
        flat, down = x.reshape(-1, x.shape[-1]), gradients[0].reshape(-1, x.shape[-1])
        inner, outer = _divided(facts, parameters)
        gate, up = joined.chunk(2, dim=-1)
        opened = torch.nn.functional.silu(gate)
        to_given, of_outer = facts.outer.backward(down.to(facts.precision), opened * up, small_out, outer, True)
        assert to_given is not None
        to_joined = torch.empty_like(joined)
        to_gate, to_up = to_joined.chunk(2, dim=-1)
        torch.mul(to_given, opened, out=to_up)
        torch.ops.aten.silu_backward.grad_input(to_given.mul_(up), gate, grad_input=to_gate)
        further = ctx.needs_input_grad[0] or ctx.needs_input_grad[2]
        read, _ = normed(flat, weight, facts.eps, facts.precision)
        to_read, of_inner = facts.inner.backward(to_joined, read, small, inner, further)
        to_x, to_weight = _through_norm(ctx, to_read, flat, inverse, weight, down, 2)
        return (to_x if to_x is None else to_x.view(x.shape), None, to_weight, *of_inner, *of_outer)


def _divided(facts: Facts, parameters: Any) -> tuple[Any, Any]:
    return parameters[: facts.inner.count], parameters[facts.inner.count :]


def _heads(joined: torch.Tensor, shape: torch.Size, facts: Facts) -> list[torch.Tensor]:
    """[tokens, all heads' width] -> queries, keys, values, each [rows, heads, length, width]."""
    parts = torch.split(joined, facts.inner.sizes, dim=-1)
    return [part.reshape(shape[0], shape[1], -1, facts.width).transpose(1, 2) for part in parts]


def _rows(heads: torch.Tensor) -> torch.Tensor:
    """[rows, heads, length, width] -> [tokens, heads * width]."""
    return heads.transpose(1, 2).reshape(heads.shape[0] * heads.shape[2], -1)


def _rotated(heads: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Rotary positions (Su et al. 2021) on [rows, heads, length, width], in fp32; with ``-sin`` they are taken off."""
    first, second = heads.float().chunk(2, dim=-1)
    half = cos.shape[-1] // 2
    cosine, sine = cos[:, None, :, :half].float(), sin[:, None, :, :half].float()
    return torch.cat([first * cosine - second * sine, second * cosine + first * sine], dim=-1).to(heads.dtype)


def _through_norm(
    ctx: Any,
    to_read: torch.Tensor | None,
    flat: torch.Tensor,
    inverse: torch.Tensor,
    weight: torch.Tensor,
    down: torch.Tensor,
    place: int,
) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """Gradients of a half's input, its own way round included, and of the norm's weight (argument ``place``)."""
    if to_read is None:
        return None, None
    to_x, to_weight = normed_backward(to_read, flat, inverse, weight, ctx.needs_input_grad[place])
    return (to_x.add_(down) if ctx.needs_input_grad[0] else None), to_weight
