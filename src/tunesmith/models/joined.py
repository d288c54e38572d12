"""The part of a multimodal model behind its encoders: a fusion, one linear layer, and what each modality adds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import nn
from transformers.utils.generic import ModelOutput

from tunesmith.models.fusion import FUSIONS
from tunesmith.models.fusion.fusion import Fusion


@dataclass
class JoinedOutput(ModelOutput):
    """What the model answers.

    Args:
        logits: [batch, outputs].
        without: the logits with each modality left out, [batch, modalities, outputs]; only where nothing is trained.
    """

    logits: torch.Tensor | None = None
    without: torch.Tensor | None = None


class Joined(nn.Module):
    """States of each modality -> logits.

    Args:
        about: ``fusion`` (its name), ``hidden``, ``dropout``, ``modality_dropout``.
        widths: modality -> width of its states.
        outputs: of the last layer.
    """

    def __init__(self, about: Mapping[str, Any], widths: Mapping[str, int], outputs: int) -> None:
        super().__init__()
        kind = cast("type[Fusion]", FUSIONS.load(str(about["fusion"])))
        self.fusion = kind(widths, int(about["hidden"]), float(about["dropout"]))
        self.modality_dropout = float(about["modality_dropout"])
        self.classifier = nn.Linear(self.fusion.width, outputs)

    def forward(self, states: Mapping[str, torch.Tensor], present: torch.Tensor) -> JoinedOutput:
        """States [batch, 1 + parts, width] by modality; present: float [batch, modalities]."""
        if self.training:
            kept = dropped(present, self.modality_dropout)
            return JoinedOutput(logits=self._logits(states, kept))
        others = []
        for i in range(present.shape[1]):
            left = present.clone()
            left[:, i] = 0
            others.append(self._logits(states, left))
        return JoinedOutput(logits=self._logits(states, present), without=torch.stack(others, dim=1))

    def _logits(self, states: Mapping[str, torch.Tensor], present: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.classifier(self.fusion(states, present))
        return found


def dropped(present: torch.Tensor, rate: float) -> torch.Tensor:
    """Modality dropout (Neverova et al. 2016, "ModDrop"): each modality is left out at this rate, never all of a row.

    Args:
        present: 1 where a row has a modality, [batch, modalities].
        rate: 0 leaves all where they are.
    """
    if not rate or present.shape[1] < 2:
        return present
    kept = present * (torch.rand_like(present) >= rate)
    return torch.where(kept.sum(1, keepdim=True) > 0, kept, present)


class OnStates(nn.Module):
    """A multimodal model's own end, weights shared, on states that frozen encoders made before."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.joined = model.joined
        self.config = model.config

    def forward(self, present: torch.Tensor, **states: torch.Tensor) -> JoinedOutput:
        """States by ``state_MODALITY``, [batch, 1 + parts, width]."""
        found: JoinedOutput = self.joined({k.removeprefix("state_"): v for k, v in states.items()}, present)
        return found
