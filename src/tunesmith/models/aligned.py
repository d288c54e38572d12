"""Texts and pictures as vectors of one space: a small CLIP's end.

Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision"; on frozen encoders, as in
Zhai et al. 2022, "LiT: Zero-Shot Transfer with Locked-image text Tuning".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from tunesmith.models.joined import JoinedOutput


class Aligned(nn.Module):
    """States of each modality -> a vector of length 1 each.

    Args:
        about: ``hidden`` (the vectors' width), ``dropout``.
        widths: modality -> width of its states.
    """

    def __init__(self, about: Mapping[str, Any], widths: Mapping[str, int]) -> None:
        super().__init__()
        hidden, rate = int(about["hidden"]), float(about["dropout"])
        self.names = list(widths)
        self.maps = nn.ModuleDict(
            {
                name: nn.Sequential(nn.LayerNorm(width), nn.Dropout(rate), nn.Linear(width, hidden))
                for name, width in widths.items()
            }
        )

    def forward(self, states: Mapping[str, torch.Tensor], present: torch.Tensor) -> JoinedOutput:
        """``logits`` are the vectors, [batch, modalities, hidden]; 0 where a row lacks the modality."""
        vectors = [functional.normalize(self.maps[name](states[name][:, 0]).float(), dim=-1) for name in self.names]
        return JoinedOutput(logits=torch.stack(vectors, dim=1) * present.unsqueeze(-1))


def contrast(one: torch.Tensor, other: torch.Tensor, same: torch.Tensor, scale: float) -> torch.Tensor:
    """Each row finds its partner among the batch's, in both directions (InfoNCE, van den Oord et al. 2018): a scalar.

    Args:
        one, other: vectors of length 1, [rows, width].
        same: 1 where row i's first belongs to row j's second, [rows, rows]; equal texts belong to all their pictures.
        scale: what cosines are multiplied by.
    """
    cosines = one @ other.T * scale
    there = same / same.sum(1, keepdim=True)
    back = same.T / same.T.sum(1, keepdim=True)
    return (functional.cross_entropy(cosines, there) + functional.cross_entropy(cosines.T, back)) / 2
