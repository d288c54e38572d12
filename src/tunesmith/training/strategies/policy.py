"""Losses of answers that the model wrote itself and that got a reward: group-relative policy optimisation."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def advantages(rewards: torch.Tensor, *, scaled: bool = True) -> torch.Tensor:
    """How much better each answer is than the others to its prompt, [groups, answers] (Shao et al. 2024, 4.1.2).

    Args:
        rewards: [groups, answers].
        scaled: divide by the group's standard deviation. Without it, groups that are nearly all right or all wrong
            weigh no more than others (Liu et al. 2025, "Dr. GRPO").
    """
    apart = rewards - rewards.mean(1, keepdim=True)
    return apart / (rewards.std(1, keepdim=True, unbiased=False) + 1e-4) if scaled else apart


def clipped_gain(
    now: torch.Tensor, then: torch.Tensor, advantage: torch.Tensor, low: float, high: float
) -> torch.Tensor:
    """``min(w A, clip(w, 1 - low, 1 + high) A)`` with ``w = p / p_then``, [tokens] (eq. 3).

    Args:
        now: log-probabilities of written tokens, [tokens].
        then: the same when they were written, [tokens].
        advantage: of the answer that each token is of, [tokens].
        low, high: how far the ratio may go before it brings no more.
    """
    import torch

    ratio = torch.exp(now - then)
    return torch.minimum(ratio * advantage, ratio.clamp(1 - low, 1 + high) * advantage)


def divergence_estimate(model: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """``q/p - log(q/p) - 1``, [tokens]: never below 0, its mean is KL(p || q) (Schulman 2020, k3; eq. 4).

    Args:
        model: log p of tokens that were drawn from p, [tokens].
        other: log q of the same tokens, [tokens].
    """
    import torch

    apart = other - model
    return torch.expm1(apart) - apart


def per_answer(values: torch.Tensor, counts: list[int], *, length: int | None = None) -> torch.Tensor:
    """The mean of each answer's tokens, [answers].

    Args:
        values: of tokens, those of an answer beside each other, [tokens].
        counts: tokens of each answer.
        length: divide all by this instead of their own number, so that long wrong answers are not spared (Liu et al.
            2025, "Dr. GRPO").
    """
    import torch

    each = torch.tensor(counts, device=values.device)
    rows = torch.repeat_interleave(torch.arange(len(counts), device=values.device), each)
    sums = values.new_zeros(len(counts)).index_add(0, rows, values)
    return sums / (each.clamp(min=1) if length is None else length)
