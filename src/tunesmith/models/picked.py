"""Log-probabilities of single tokens among a large vocabulary, to learn from: little memory, there and back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

BLOCK = 1024
"""Tokens whose gradients of logits are held together, in the training precision."""
ROWS = 128
"""Tokens whose logits are held in float32: they stay near the processor."""


def picked(
    states: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, tokens: torch.Tensor, precision: torch.dtype
) -> torch.Tensor:
    """``log_softmax(states @ weight.T + bias)`` at one token each: float32 [n], with a gradient.

    As ``answer_loss.mean_loss``, for losses that weigh each token otherwise. Which weight it gets is known on the way
    back only, so the logits are made once more there, and never kept.

    Args:
        states: what the output layer reads, [n, width].
        weight: [vocabulary, width].
        bias: [vocabulary], or None.
        tokens: [n].
        precision: of the products; everything else is float32.
    """
    found: torch.Tensor = _Picked.apply(states, weight, bias, tokens.long(), precision)  # type: ignore[no-untyped-call]
    return found


class _Picked(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        states: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        tokens: torch.Tensor,
        precision: torch.dtype,
    ) -> torch.Tensor:
        found = states.new_empty(len(tokens), dtype=torch.float32)
        totals = torch.empty_like(found)
        with torch.autocast(states.device.type, enabled=False):
            here, matrix = states.to(precision), weight.to(precision)
            for start in range(0, len(tokens), ROWS):
                some = slice(start, start + ROWS)
                logits = _logits(here[some], matrix, bias)
                totals[some] = torch.logsumexp(logits, dim=-1)
                found[some] = logits.gather(-1, tokens[some, None])[:, 0] - totals[some]
        ctx.save_for_backward(here, matrix, bias, tokens, totals)
        ctx.types = (states.dtype, weight.dtype)
        return found

    @staticmethod
    def backward(ctx: Any, *outer: torch.Tensor) -> Any:
        here, matrix, bias, tokens, totals = ctx.saved_tensors
        to_states = torch.empty_like(here, dtype=ctx.types[0]) if ctx.needs_input_grad[0] else None
        to_weight = torch.zeros_like(matrix, dtype=ctx.types[1]) if ctx.needs_input_grad[1] else None
        to_bias = torch.zeros_like(bias) if bias is not None and ctx.needs_input_grad[2] else None
        with torch.autocast(here.device.type, enabled=False):
            for start in range(0, len(tokens), BLOCK):
                some = slice(start, start + BLOCK)
                gradient = _gradient(here[some], matrix, bias, tokens[some], totals[some], outer[0][some])
                if to_states is not None:
                    to_states[some] = gradient @ matrix
                if to_weight is not None:
                    to_weight += gradient.mT @ here[some]
                if to_bias is not None:
                    to_bias += gradient.sum(0, dtype=to_bias.dtype)
        return to_states, to_weight, to_bias, None, None


def _logits(states: torch.Tensor, matrix: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    logits = (states @ matrix.mT).float()
    return logits if bias is None else logits + bias.float()


def _gradient(
    states: torch.Tensor,
    matrix: torch.Tensor,
    bias: torch.Tensor | None,
    tokens: torch.Tensor,
    totals: torch.Tensor,
    outer: torch.Tensor,
) -> torch.Tensor:
    """Of a block's logits: ``outer * (one_hot(token) - softmax)``, [n, vocabulary]."""
    gradient = states.new_empty((len(tokens), len(matrix)))
    for start in range(0, len(tokens), ROWS):
        some = slice(start, start + ROWS)
        own = outer[some, None].float()
        shares = _logits(states[some], matrix, bias).sub_(totals[some, None]).exp_().mul_(-own)
        gradient[some] = shares.scatter_add_(-1, tokens[some, None], own)
    return gradient


@contextmanager
def only_at(model: Any, places: torch.Tensor) -> Iterator[None]:
    """Within the block the output layer reads these places alone: the logits are [1, places, vocabulary].

    For any model, whatever it does with its logits afterwards.

    Args:
        places: bool [rows, length], of the tokens that the model is given.
    """
    plain = getattr(model, "module", model)

    def pick(module: Any, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        states = inputs[0][:, -places.shape[1] :]  # a method's own tokens may stand in front
        return (states[places][None], *inputs[1:])

    handle = plain.get_output_embeddings().register_forward_pre_hook(pick)
    try:
        yield
    finally:
        handle.remove()
