"""What every encoder of pictures and sounds is, and how many states become few."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, Self

import torch
from torch import nn
from torch.nn import functional

from tunesmith.models.encoders.inputs import MediaInput

SIDE = 3
PIECES = SIDE * SIDE
"""Vectors that stand for the parts of a picture, a sound or a text, where a fusion reads parts."""


class Encoder(nn.Module):
    """A picture's or a sound's vectors.

    Args:
        config: its folder's config.json.
    """

    modality: ClassVar[str]
    """"image" or "audio"."""
    width: int
    """Of its vectors."""
    takes: MediaInput
    """What it wants to be given."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.config = config

    @classmethod
    @abstractmethod
    def from_folder(cls, folder: str) -> Self:
        """With the folder's weights."""

    def quick(self) -> Self:
        """The same function for computing alone, as quick as it can be; may share weights."""
        return self.eval()

    @abstractmethod
    def forward(self, values: torch.Tensor, lengths: torch.Tensor | None = None, pieces: int = 0) -> torch.Tensor:
        """Vectors, float32 [batch, 1 + pieces, width]: the first one stands for the whole.

        Args:
            values: pictures, uint8 or float [batch, height, width, 3] from 0 to 255; sounds, [batch, frames, channels].
            lengths: of sounds, frames that are there, [batch].
            pieces: 0 or ``PIECES``.
        """


def scaled(values: torch.Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> torch.Tensor:
    """[batch, height, width, 3] from 0 to 255 -> float32 [batch, 3, height, width], in memory as it came."""
    # Channels stay last in memory: that is what convolutions are fastest on, and how pictures are decoded.
    floats = values.permute(0, 3, 1, 2).float()
    factor = torch.tensor([1 / (255.0 * s) for s in std], device=values.device).view(1, 3, 1, 1)
    offset = torch.tensor([m / s for m, s in zip(mean, std, strict=True)], device=values.device).view(1, 3, 1, 1)
    return floats * factor - offset


def regions(grid: torch.Tensor, pieces: int) -> torch.Tensor:
    """The mean of a grid of states and of its parts: [batch, width, height, width'] -> [batch, 1 + pieces, width]."""
    whole = grid.mean((2, 3)).unsqueeze(1)
    if not pieces:
        return whole
    parts = functional.adaptive_avg_pool2d(grid, SIDE).flatten(2).transpose(1, 2)
    return torch.cat([whole, parts], dim=1)


def segments(states: torch.Tensor, mask: torch.Tensor, pieces: int) -> torch.Tensor:
    """The mean of a sequence's states and of its equal parts: [batch, length, width] -> [batch, 1 + pieces, width].

    Args:
        mask: 1 where a state is, [batch, length]; states stand on the left.
    """
    kept = mask.to(states.dtype)
    counts = kept.sum(1, keepdim=True).clamp(min=1)
    whole = (torch.einsum("bl,blw->bw", kept, states) / counts).unsqueeze(1)
    if not pieces:
        return whole
    place = torch.arange(states.shape[1], device=states.device) * pieces / counts  # [batch, length], in parts
    numbers = torch.arange(pieces, device=states.device).view(1, -1, 1)
    # A sequence shorter than the parts: each part reads the state that lies at its beginning.
    first = (numbers.squeeze(-1) * counts / pieces).long().unsqueeze(-1)
    inside = (place.floor().long().unsqueeze(1) == numbers) & (kept.unsqueeze(1) > 0)
    at = torch.arange(states.shape[1], device=states.device).view(1, 1, -1) == first
    weights = torch.where(inside.any(-1, keepdim=True), inside, at).to(states.dtype)
    parts = torch.bmm(weights, states) / weights.sum(-1, keepdim=True).clamp(min=1)
    return torch.cat([whole, parts], dim=1)


def there(lengths: torch.Tensor | None, values: torch.Tensor) -> torch.Tensor:
    """1 where a frame is, [batch, frames]; all are there where no lengths are given."""
    if lengths is None:
        return torch.ones(values.shape[:2], device=values.device)
    return (torch.arange(values.shape[1], device=values.device) < lengths.unsqueeze(1)).float()
