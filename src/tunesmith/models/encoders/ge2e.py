"""The GE2E speaker encoder: who speaks, not what is said. 1.4 million weights.

Wan et al. 2018, "Generalized End-to-End Loss for Speaker Verification"; trained by C. Jemine (Resemblyzer).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import nn
from torch.nn import functional

from tunesmith.models.encoders.encoder import Encoder, segments, there
from tunesmith.models.encoders.inputs import AudioInput

WINDOW, STEP = 160, 80
"""Frames of 10 ms that the encoder was trained on, and how far windows are apart."""


class Ge2e(Encoder):
    """[batch, frames, 40] -> the mean of the vectors of windows of 1.6 s, [batch, 1, 256] of length 1."""

    modality: ClassVar[str] = "audio"

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        hidden = int(config.get("hidden_size", 256))
        self.takes = AudioInput("ge2e", mels=40)
        self.width = hidden
        self.lstm = nn.LSTM(40, hidden, int(config.get("num_layers", 3)), batch_first=True)
        self.linear = nn.Linear(hidden, hidden)

    @classmethod
    def from_folder(cls, folder: str) -> Self:
        """With the folder's weights."""
        from safetensors.torch import load_file

        made = cls(json.loads(Path(folder, "config.json").read_text("utf-8")))
        made.load_state_dict(load_file(Path(folder, "model.safetensors")))
        return made

    def forward(self, values: torch.Tensor, lengths: torch.Tensor | None = None, pieces: int = 0) -> torch.Tensor:
        """See ``Encoder``."""
        mask = there(lengths, values)
        many = max(1, -(-(values.shape[1] - WINDOW) // STEP) + 1)
        filled = _filled(values, mask, (many - 1) * STEP + WINDOW)
        windows = filled.unfold(1, WINDOW, STEP).transpose(2, 3)  # [batch, many, WINDOW, 40]
        # A window counts where the sound reaches into its second half, and the first one always.
        starts = torch.arange(many, device=values.device) * STEP
        reached = (starts.unsqueeze(0) + WINDOW // 2 < mask.sum(1, keepdim=True)) | (starts == 0)
        _, (hidden, _) = self.lstm(windows.flatten(0, 1))
        vectors = functional.normalize(functional.relu(self.linear(hidden[-1])), dim=-1)
        found = segments(vectors.view(len(values), many, -1), reached, pieces)
        return functional.normalize(found, dim=-1)


def _filled(values: torch.Tensor, mask: torch.Tensor, length: int) -> torch.Tensor:
    """Sounds of this length: the longer ones end in silence, those shorter than a window are heard again until it is
    full, for the encoder forgets in a second of silence what it heard before.
    """
    sizes = mask.sum(1, keepdim=True).long().clamp(min=1)
    place = torch.arange(length, device=values.device).unsqueeze(0)
    short = sizes < WINDOW
    index = torch.where(short, place % sizes, place.clamp(max=values.shape[1] - 1))
    kept = (short & (place < WINDOW)) | (place < sizes)
    return values.gather(1, index.unsqueeze(-1).expand(-1, -1, values.shape[2])) * kept.unsqueeze(-1)
