"""The mean negative log-likelihood of tokens, from the states before the output layer.

A vocabulary is large: the logits of a batch take more memory than the model, and softmax, loss and their backward read
them over and over. Here they are made a few rows at a time, and their gradient takes their place at once, as in Liger's
fused loss (Hsu et al. 2024, "Liger Kernel", section 3.2). Same figures, same gradients.
"""

from __future__ import annotations

from typing import Any

import torch

HELD = 32 * 1024 * 1024
"""Logits whose gradients are held together, in the training precision: 680 tokens of a vocabulary of 49,152."""
ROWS = 128
"""Tokens whose logits are held in float32: they stay near the processor."""


def mean_loss(
    states: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, tokens: torch.Tensor, precision: torch.dtype
) -> torch.Tensor:
    """The mean over tokens of ``-log softmax(states @ weight.T + bias)[token]``: a scalar, float32.

    Args:
        states: [n, width].
        weight: [vocabulary, width].
        bias: [vocabulary], or None.
        tokens: [n].
        precision: of the products; everything else is float32.
    """
    if not len(tokens):
        return states.sum() * 0.0
    found: torch.Tensor = _MeanLoss.apply(states, weight, bias, tokens, precision)  # type: ignore[no-untyped-call]
    return found


class _MeanLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        states: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        tokens: torch.Tensor,
        precision: torch.dtype,
    ) -> torch.Tensor:
        wanted = ctx.needs_input_grad
        with torch.autocast(states.device.type, enabled=False):
            matrix = weight.to(precision)
            to_states = torch.empty_like(states) if wanted[0] else None
            to_weight = torch.zeros_like(weight, dtype=torch.float32) if wanted[1] else None
            to_bias = torch.zeros_like(bias, dtype=torch.float32) if bias is not None and wanted[2] else None
            total = states.new_zeros((), dtype=torch.float32)
            # Sums over many tokens leave fp16's range.
            block = ROWS if precision == torch.float16 else max(ROWS, HELD // len(weight) // ROWS * ROWS)
            for start in range(0, len(tokens), block):
                some = slice(start, start + block)
                here = states[some].to(precision)
                found, gradient = _block(here, matrix, bias, tokens[some], any(wanted[:3]))
                total += found
                if to_states is not None:
                    to_states[some] = gradient @ matrix
                if to_weight is not None:
                    to_weight += gradient.mT @ here
                if to_bias is not None:
                    to_bias += gradient.sum(0, dtype=torch.float32)
            # Divided here and not by token: in fp16 a small share of many tokens would be 0.
            for summed in (to_weight, to_bias):
                if summed is not None:
                    summed.div_(len(tokens))
        ctx.save_for_backward(to_states, to_weight, to_bias)
        ctx.tokens = len(tokens)
        return total / len(tokens)

    @staticmethod
    def backward(ctx: Any, upstream: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        whole = bool(upstream == 1)  # the usual case: nothing to multiply
        to_states, *rest = ctx.saved_tensors
        if to_states is not None:
            to_states = to_states * (upstream / ctx.tokens)
        return (to_states, *(one if one is None or whole else one * upstream for one in rest), None, None)


def _block(
    states: torch.Tensor, matrix: torch.Tensor, bias: torch.Tensor | None, tokens: torch.Tensor, learn: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """The sum of a block's losses, and its gradient at the logits [n, vocabulary] (empty where none is wanted)."""
    gradient = states.new_empty((len(tokens) if learn else 0, len(matrix)))
    total = states.new_zeros((), dtype=torch.float32)
    for start in range(0, len(tokens), ROWS):
        some = slice(start, start + ROWS)
        logits = (states[some] @ matrix.mT).float()
        if bias is not None:
            logits += bias.float()
        places = tokens[some, None].long()
        of_all = torch.logsumexp(logits, dim=-1, keepdim=True)
        total += (of_all - logits.gather(-1, places)).sum()
        if learn:
            shares = logits.sub_(of_all).exp_()
            shares.scatter_add_(-1, places, shares.new_full((len(places), 1), -1.0))
            gradient[some] = shares
    return total, gradient
