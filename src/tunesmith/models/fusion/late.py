"""Late fusion: each modality is one vector, and adds its own part to each logit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch.nn import functional

from tunesmith.models.fusion.fusion import Fusion


class Late(Fusion):
    """The modalities' vectors, each normalised, beside each other; those that are missing are 0.

    A linear layer on it is a sum of classifiers, one a modality, trained together: what is missing adds nothing.
    Flags say which ones are there, so that what is left may weigh more.
    """

    name: ClassVar[str] = "late"
    summary: ClassVar[str] = "a vector of each modality, joined before the last layer"

    def __init__(self, widths: Mapping[str, int], hidden: int, dropout: float) -> None:
        super().__init__(widths, hidden, dropout)
        self.width = sum(widths.values()) + len(widths)

    def forward(self, states: Mapping[str, torch.Tensor], present: torch.Tensor) -> torch.Tensor:
        """[batch, sum of widths + modalities]."""
        parts = []
        for i, name in enumerate(self.names):
            vector = states[name][:, 0]
            # Of a table the size of a number matters; an encoder's vector is brought to mean 0 and variance 1.
            normal = vector if name == "table" else functional.layer_norm(vector, vector.shape[-1:])
            parts.append(self.dropout(normal) * present[:, i : i + 1])
        return torch.cat([*parts, present], dim=-1)
