"""Log-probabilities of single tokens among a large vocabulary: only where they are wanted, and little memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

CHUNK = 256
"""Tokens whose logits are in float32 at once."""


class _Picked(torch.autograd.Function):
    """``log_softmax`` at one token a row; float32 inside, and nothing of the vocabulary's size is kept but the logits.

    torch's own keeps the logits in float32, and makes two more of their size on the way back.
    """

    @staticmethod
    def forward(ctx: Any, logits: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        totals = [torch.logsumexp(part.float(), dim=-1) for part in torch.split(logits, CHUNK)]
        total = torch.cat(totals) if totals else logits.new_zeros(0, dtype=torch.float32)
        ctx.save_for_backward(logits, tokens, total)
        return logits.gather(-1, tokens[:, None])[:, 0].float() - total

    @staticmethod
    def backward(ctx: Any, *outer: torch.Tensor) -> Any:
        logits, tokens, total = ctx.saved_tensors
        gradient = torch.empty_like(logits)
        for start in range(0, len(logits), CHUNK):
            part = slice(start, start + CHUNK)
            own = outer[0][part].float()
            share = (logits[part].float() - total[part, None]).exp_().mul_(-own[:, None])
            share.scatter_add_(-1, tokens[part, None], own[:, None])
            gradient[part] = share
        return gradient, None


def picked(logits: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """``log_softmax(logits)`` [n, vocabulary] at ``tokens`` [n], computed in float32: [n], with a gradient."""
    found: torch.Tensor = _Picked.apply(logits, tokens.long())  # type: ignore[no-untyped-call]
    return found


@contextmanager
def only_at(model: Any, places: torch.Tensor) -> Iterator[None]:
    """Within the block the output layer reads these places alone: the logits are [1, places, vocabulary].

    A prompt's logits are most of the work of a small model's last layer, and nobody reads them.

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
