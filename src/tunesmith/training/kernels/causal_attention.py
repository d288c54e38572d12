"""Causal attention for training on a CPU, its backward written out: plain products, a block of queries at a time.

PyTorch's flash kernel has a slow backward on CPUs. Here a block of queries sees only the keys up to its own end, heads
that share keys are one product, and no probabilities are kept: the way back makes them again (as in Dao et al. 2022).
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

BLOCK = 256
"""Queries that are computed together: bounds memory for long texts."""


def attend(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None, scale: float
) -> torch.Tensor:
    """Scaled dot-product attention (Vaswani et al. 2017, eq. 1), each place to those up to itself.

    Args:
        query: [rows, heads, length, width].
        key, value: [rows, groups, length, width]; ``heads`` is a multiple of ``groups``.
        mask: of [rows or 1, 1, length, length], where False or a large negative number is not attended to; it is asked
            for what is before a place, too. None: all places before are.

    Returns:
        [rows, heads, length, width].
    """
    out = torch.empty_like(query)
    for start, end in _blocks(query.shape[2]):
        some = _grouped(query[:, :, start:end], key)
        shares = _shares(some, key, mask, scale, start, end)
        out[:, :, start:end] = torch.bmm(shares, _flat(value[:, :, :end])).view(*query.shape[:2], end - start, -1)
    return out


def attend_backward(
    gradient: torch.Tensor,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    out: torch.Tensor,
    mask: torch.Tensor | None,
    scale: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Gradients of query, key and value, from the gradient of ``out``: shapes as in ``attend``."""
    to_query = torch.empty_like(query)
    to_key, to_value = torch.zeros_like(key), torch.zeros_like(value)
    for start, end in _blocks(query.shape[2]):
        some, down = (_grouped(whole[:, :, start:end], key) for whole in (query, gradient))
        shares = _shares(some, key, mask, scale, start, end)
        keys, values = _flat(key[:, :, :end]), _flat(value[:, :, :end])
        shape = key[:, :, :end].shape
        to_value[:, :, :end] += torch.bmm(shares.mT, down).view(shape)
        mean = (down * _grouped(out[:, :, start:end], key)).sum(-1, keepdim=True)
        to_scores = torch.bmm(down, values.mT).sub_(mean).mul_(shares).mul_(scale)
        to_query[:, :, start:end] = torch.bmm(to_scores, keys).view(*query.shape[:2], end - start, -1)
        to_key[:, :, :end] += torch.bmm(to_scores.mT, some).view(shape)
    return to_query, to_key, to_value


def _blocks(length: int) -> Iterator[tuple[int, int]]:
    for start in range(0, length, BLOCK):
        yield start, min(start + BLOCK, length)


def _grouped(some: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
    """[rows, heads, n, width] -> [rows * groups, heads of a group * n, width]."""
    return some.reshape(key.shape[0] * key.shape[1], -1, some.shape[-1])


def _flat(some: torch.Tensor) -> torch.Tensor:
    return some.reshape(-1, *some.shape[2:])


def _shares(
    some: torch.Tensor, key: torch.Tensor, mask: torch.Tensor | None, scale: float, start: int, end: int
) -> torch.Tensor:
    """What each query of a block takes of each key up to the block's end: [rows * groups, queries, keys]."""
    scores = torch.bmm(some * scale, _flat(key[:, :, :end]).mT)
    n = end - start
    seen = scores.view(key.shape[0], -1, n, end)
    if mask is not None:
        part = mask[:, :, start:end, :end]
        if part.dtype == torch.bool:
            seen.masked_fill_(~part, torch.finfo(scores.dtype).min)
        else:
            seen += part.to(scores.dtype)
    future = torch.ones(n, n, dtype=torch.bool, device=scores.device).triu_(1)
    seen[..., start:].masked_fill_(future, float("-inf"))
    return torch.softmax(scores, dim=-1)
