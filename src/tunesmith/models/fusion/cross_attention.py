"""Fusion by cross-attention: each modality asks the parts of the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import nn

from tunesmith.models.fusion.fusion import Attention, Fusion, Projected

HEADS = 4


class CrossAttention(Fusion):
    """The vector of each modality reads the parts of all others (Lu et al. 2019, "ViLBERT"), and both are joined.

    What is missing is neither asked nor read; where there is only one modality it reads itself. One vector that is
    always there stands for "nothing".
    """

    name: ClassVar[str] = "cross-attention"
    summary: ClassVar[str] = "each modality reads the parts of the others"
    parts: ClassVar[bool] = True

    def __init__(self, widths: Mapping[str, int], hidden: int, dropout: float) -> None:
        super().__init__(widths, hidden, dropout)
        self.projected = Projected(widths, hidden)
        self.nothing = nn.Parameter(torch.zeros(1, 1, hidden))
        self.reads = Attention(hidden, HEADS, dropout)
        self.norm = nn.LayerNorm(hidden)
        self.width = hidden * len(widths)

    def forward(self, states: Mapping[str, torch.Tensor], present: torch.Tensor) -> torch.Tensor:
        """[batch, hidden * modalities]."""
        tokens, there, owner = self.projected(states, present)
        modalities = torch.arange(len(self.names), device=owner.device)
        first = (owner.unsqueeze(0) == modalities.unsqueeze(1)).int().argmax(1)
        other = owner.unsqueeze(0) != modalities.unsqueeze(1)  # [modalities, all]
        alone = (present.sum(1, keepdim=True) < 2).unsqueeze(-1)  # [batch, 1, 1]
        allowed = there.unsqueeze(1) & (other.unsqueeze(0) | alone)
        nothing = self.nothing.expand(len(tokens), -1, -1)
        read = self.reads(
            tokens[:, first], torch.cat([nothing, tokens], 1), torch.nn.functional.pad(allowed, (1, 0), value=True)
        )
        made: torch.Tensor = self.norm(read) * present.unsqueeze(-1)
        joined: torch.Tensor = self.dropout(made.flatten(1))
        return joined
