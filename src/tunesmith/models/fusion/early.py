"""Early fusion: the parts of all modalities are tokens of one small transformer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import nn

from tunesmith.models.fusion.fusion import Attention, Fusion, Projected

HEADS, LAYERS = 4, 2


class Early(Fusion):
    """Projected parts and one token that reads them all, through two layers (Kim et al. 2021, "ViLT", in small)."""

    name: ClassVar[str] = "early"
    summary: ClassVar[str] = "the parts of all modalities as tokens of a small transformer"
    parts: ClassVar[bool] = True

    def __init__(self, widths: Mapping[str, int], hidden: int, dropout: float) -> None:
        super().__init__(widths, hidden, dropout)
        self.projected = Projected(widths, hidden)
        self.reader = nn.Parameter(torch.randn(1, 1, hidden) * 0.02)
        self.layers = nn.ModuleList(Attention(hidden, HEADS, dropout) for _ in range(LAYERS))
        self.norm = nn.LayerNorm(hidden)
        self.width = hidden

    def forward(self, states: Mapping[str, torch.Tensor], present: torch.Tensor) -> torch.Tensor:
        """[batch, hidden]."""
        tokens, there, _ = self.projected(states, present)
        x = torch.cat([self.reader.expand(len(tokens), -1, -1), tokens], dim=1)
        allowed = torch.nn.functional.pad(there, (1, 0), value=True).unsqueeze(1)
        for layer in self.layers:
            x = layer(x, x, allowed)
        made: torch.Tensor = self.dropout(self.norm(x[:, 0]))
        return made
