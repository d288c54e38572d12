"""Tokens of a text that look at a picture before they are tagged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from tunesmith.models.fusion.fusion import Attention
from tunesmith.models.joined import JoinedOutput, dropped

HEADS = 4


class Tagged(nn.Module):
    """Token states and a picture's parts -> a tag's logits for each token (as Yu et al. 2020, "UMT", in small).

    It starts as a tagger of the text alone: what the picture adds is 0 until it is learned.

    Args:
        about: ``dropout``, ``modality_dropout``.
        widths: of "text" and "image".
        outputs: tags.
    """

    def __init__(self, about: Mapping[str, Any], widths: Mapping[str, int], outputs: int) -> None:
        super().__init__()
        width = widths["text"]
        self.seen = nn.Sequential(nn.LayerNorm(widths["image"]), nn.Linear(widths["image"], width))
        self.nothing = nn.Parameter(torch.zeros(1, 1, width))
        self.looks = Attention(width, HEADS, float(about["dropout"]))
        for layer in (self.looks.out, self.looks.down):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.modality_dropout = float(about["modality_dropout"])
        self.dropout = nn.Dropout(float(about["dropout"]))
        self.classifier = nn.Linear(width, outputs)

    def forward(self, states: Mapping[str, torch.Tensor], present: torch.Tensor) -> JoinedOutput:
        """States: "text" [batch, tokens, width], "image" [batch, parts, width]; -> logits [batch, tokens, tags]."""
        text = states["text"]
        there = present[:, 1:]
        if self.training:
            there = dropped(present, self.modality_dropout)[:, 1:]
        told = torch.cat([self.nothing.expand(len(text), -1, -1), self.seen(states["image"])], dim=1)
        allowed = (there > 0).unsqueeze(1).expand(-1, 1, told.shape[1]).clone()
        allowed[:, :, 0] = True
        return JoinedOutput(logits=self.classifier(self.dropout(self.looks(text, told, allowed))))
