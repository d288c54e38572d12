"""What the embeddings give out, changed for the time of a pass: where noise and adversaries get in.

It works on the vectors that are looked up and not on the table, so that each text has a move of its own, and a table
that is frozen, compact or wrapped is no different.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

Change = Callable[["torch.Tensor", "torch.Tensor", int], "torch.Tensor"]
"""Ids [batch, length], their vectors [batch, length, width], and which lookup of the pass it is -> vectors."""


@contextmanager
def changed(embedding: Any, change: Change) -> Iterator[None]:
    """Every lookup of a model in training goes through ``change`` within the block."""
    done = 0

    def hook(module: Any, inputs: Any, vectors: torch.Tensor) -> torch.Tensor:
        nonlocal done
        if not module.training:
            return vectors
        done += 1
        return change(inputs[0], vectors, done - 1)

    handle = embedding.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def real_tokens(ids: torch.Tensor, padding: int | None) -> torch.Tensor:
    """1.0 where a token is, 0.0 where padding is: [batch, length, 1]."""
    import torch

    there = torch.ones_like(ids) if padding is None else ids != padding
    return there.unsqueeze(-1).float()


def unit(gradient: torch.Tensor) -> torch.Tensor:
    """Each text's gradient at length 1; zero where it is zero or not finite. [batch, ...]."""
    import torch

    norms = gradient.flatten(1).norm(dim=1).view(-1, *[1] * (gradient.ndim - 1))
    usable = torch.isfinite(norms) & (norms > 0)
    return torch.where(usable, gradient / norms.where(usable, torch.ones_like(norms)), torch.zeros_like(gradient))


def in_ball(move: torch.Tensor, radius: float) -> torch.Tensor:
    """Each text's move, no longer than ``radius``. [batch, ...]."""
    norms = move.flatten(1).norm(dim=1).view(-1, *[1] * (move.ndim - 1))
    inside: torch.Tensor = move * (radius / norms.clamp(min=1e-12)).clamp(max=1.0)
    return inside
