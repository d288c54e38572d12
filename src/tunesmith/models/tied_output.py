"""An output layer that is the table of embeddings, asked about the pieces of a corpus alone.

A table of 250,000 pieces of ninety languages makes most of a small model's step, and a corpus of one language has some
thousands of them. Where training holds only these rows (``training.kernels.embedding``), softmax runs over them, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

ROWS = 1024
"""Tokens whose logits are held at a time."""


def output_of(model: Any, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor]:
    """Weights [pieces, width] and biases [pieces] of the output layer, and the tokens as rows of these."""
    head, table = model.get_output_embeddings(), model.get_input_embeddings()
    place = getattr(table, "place", None)
    if place is None or getattr(table, "full", None) is None or table.full.weight is not head.weight:
        return head.weight, head.bias, tokens
    bias = None if head.bias is None else head.bias[table.used]
    return table.weight, bias, place[tokens]


def scored(
    states: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, tokens: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probability of each token, and whether it is the likeliest: [n], computed in float32.

    Args:
        states: [n, width].
    """
    import torch

    likelihoods, hits = [states.new_zeros(0)], [torch.zeros(0, dtype=torch.bool, device=states.device)]
    for some, own in zip(torch.split(states, ROWS), torch.split(tokens, ROWS), strict=True):
        logits = torch.nn.functional.linear(some, weight.to(some.dtype), bias).float()
        taken = logits.gather(-1, own[:, None])[:, 0]
        likelihoods.append(taken - torch.logsumexp(logits, dim=-1))
        hits.append(logits.argmax(-1) == own)
    return torch.cat(likelihoods), torch.cat(hits)
