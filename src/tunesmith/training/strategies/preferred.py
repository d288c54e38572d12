"""Losses of answers that people preferred: what is learned from log-probabilities of whole answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def dpo_loss(chosen: torch.Tensor, rejected: torch.Tensor, beta: float, smoothing: float = 0.0) -> torch.Tensor:
    """``-(1 - e) log s(beta (c - r)) - e log s(-beta (c - r))``, [pairs] (Rafailov et al. 2023, eq. 7).

    Args:
        chosen: c, ``log p(answer) - log p_start(answer)`` of the better answers, [pairs].
        rejected: r, of the worse ones, [pairs].
        beta: how dear it is to leave the start.
        smoothing: e, the share of pairs that may stand the wrong way round (Mitchell 2023, cDPO).
    """
    from torch.nn.functional import logsigmoid

    margin = beta * (chosen - rejected)
    return -(1 - smoothing) * logsigmoid(margin) - smoothing * logsigmoid(-margin)


def log_odds(means: torch.Tensor) -> torch.Tensor:
    """``log(P / (1 - P))`` with P the geometric mean of an answer's token probabilities (Hong et al. 2024, eq. 4).

    Args:
        means: ``log P``, the mean log-probability of an answer's tokens, [answers].
    """
    import torch

    below = means.clamp(max=-1e-6)  # an answer that is certain has no odds
    return below - torch.log(-torch.expm1(below))


def orpo_loss(chosen: torch.Tensor, rejected: torch.Tensor) -> torch.Tensor:
    """``-log s(log odds ratio)``, [pairs] (Hong et al. 2024, eq. 7).

    Args:
        chosen: mean log-probability of the better answers' tokens, [pairs].
        rejected: of the worse ones', [pairs].
    """
    from torch.nn.functional import logsigmoid

    return -logsigmoid(log_odds(chosen) - log_odds(rejected))


def kto_loss(
    ratios: torch.Tensor, desirable: torch.Tensor, drift: torch.Tensor, beta: float, weights: tuple[float, float]
) -> torch.Tensor:
    """``lambda - v``, [answers] (Ethayarajh et al. 2024, eq. 8).

    ``v`` is ``lambda_D s(beta (r - z))`` of a desirable answer and ``lambda_U s(beta (z - r))`` of another.

    Args:
        ratios: r, ``log p(answer) - log p_start(answer)``, [answers].
        desirable: bool [answers].
        drift: z, how far the model has left its start, a scalar; no gradient goes through it.
        beta: how soon a gain or loss is enough.
        weights: lambda_D and lambda_U.
    """
    import torch

    sign = torch.where(desirable, 1.0, -1.0)
    weight = torch.where(desirable, weights[0], weights[1])
    return weight * (1 - torch.sigmoid(beta * sign * (ratios - drift.detach())))


def kto_drift(mismatched: torch.Tensor) -> torch.Tensor:
    """Z of ``kto_loss``: the mean log-ratio of answers to other prompts than theirs, at least 0: a scalar.

    Args:
        mismatched: ``log p(answer) - log p_start(answer)``, [answers].
    """
    return mismatched.mean().clamp(min=0).detach()


def kto_weights(desirable: int, undesirable: int) -> tuple[float, float]:
    """lambda_D and lambda_U so that both kinds count alike in all, the larger of them 1 (eq. 9).

    >>> kto_weights(50, 100)
    (1.0, 0.5)
    """
    fewer = min(desirable, undesirable)
    return fewer / desirable, fewer / undesirable
