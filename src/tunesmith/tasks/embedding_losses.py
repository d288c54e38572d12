"""What makes vectors of texts that belong together alike. Vectors have length 1, so a product is a cosine.

A batch holds each different text once; rows name their texts by index. So a text that stands in several rows is
computed once, and is never taken for a wrong answer to itself.
"""

from __future__ import annotations

import torch
from torch.nn.functional import cross_entropy, mse_loss

NONE = -1
"""The index of a negative that a row does not have."""


def info_nce(
    vectors: torch.Tensor, first: torch.Tensor, second: torch.Tensor, negatives: torch.Tensor, scale: float
) -> torch.Tensor:
    """Each first text must find its second among all second texts and negatives of the batch: a scalar.

    InfoNCE (van den Oord et al. 2018, eq. 4), as the in-batch loss of Henderson et al. 2017. Another row's second
    text is no wrong answer where the first texts are the same.

    Args:
        vectors: [texts, width].
        first, second: int [rows], into texts.
        negatives: int [rows, any], ``NONE`` where there is none.
        scale: what cosines are multiplied by; the inverse temperature.
    """
    candidates = torch.unique(torch.cat([second, negatives[negatives != NONE]]))
    own = second[:, None] == candidates[None]
    same_first = (first[:, None] == first[None]).float()
    right = same_first @ own.float() > 0
    itself = first[:, None] == candidates[None]
    similar = scale * vectors[first] @ vectors[candidates].T
    similar = similar.masked_fill((right | itself) & ~own, float("-inf"))
    return cross_entropy(similar, own.int().argmax(dim=1))


def cosent(
    vectors: torch.Tensor, first: torch.Tensor, second: torch.Tensor, scores: torch.Tensor, scale: float
) -> torch.Tensor:
    """The order of cosines must be that of scores: a scalar, whatever the scores' unit.

    CoSENT (Su 2022): log(1 + sum of exp(scale (cos_i - cos_j)) over rows with score_i < score_j).
    """
    cosines = scale * (vectors[first] * vectors[second]).sum(-1)
    wrong = (cosines[:, None] - cosines[None])[scores[:, None] < scores[None]]
    return torch.logsumexp(torch.cat([wrong, wrong.new_zeros(1)]), dim=0) + 0 * cosines.sum()


def cosine_error(
    vectors: torch.Tensor, first: torch.Tensor, second: torch.Tensor, scores: torch.Tensor
) -> torch.Tensor:
    """Mean squared distance of cosines from scores in [0, 1]: a scalar (Reimers & Gurevych 2019, section 3)."""
    return mse_loss((vectors[first] * vectors[second]).sum(-1), scores)
