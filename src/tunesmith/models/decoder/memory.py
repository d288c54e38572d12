"""Keys and values of several texts at once, in tensors that are made once."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class Place:
    """Where a pass writes and reads.

    Args:
        first: the first row.
        end: the row after the last one.
        positions: of each token in its text: int64, [rows, tokens].
        length: of the longest of these rows, this pass's tokens included.
        ragged: whether rows are of different lengths, so that what is behind a shorter one must be masked.
    """

    first: int
    end: int
    positions: torch.Tensor
    length: int
    ragged: bool

    @property
    def starts(self) -> bool:
        """Whether these are the first tokens of a text: each sees those before it, and nothing else is there."""
        return self.positions.shape[1] == self.length

    def mask(self, dtype: torch.dtype) -> torch.Tensor | None:
        """What is added to attention scores: [rows, 1, tokens, length], 0 or the lowest number; None: all is seen."""
        if self.positions.shape[1] == 1 and not self.ragged:
            return None
        seen = torch.arange(self.length, device=self.positions.device) <= self.positions[:, None, :, None]
        return torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill_(~seen, torch.finfo(dtype).min)


class Memory:
    """A layer's keys and values are [rows, length, heads, size] each; they are made when first written.

    Memory that was never written costs nothing: the system gives zeros page by page.

    Args:
        rows: texts at once.
        length: tokens that a text may have.
    """

    def __init__(self, rows: int, length: int) -> None:
        self.rows, self.length = rows, length
        self.place = Place(0, 0, torch.zeros(0, 0, dtype=torch.long), 0, ragged=False)
        self._layers: list[tuple[torch.Tensor, torch.Tensor]] = []
        self._flat = torch.zeros(0, dtype=torch.long)

    def go_to(self, place: Place) -> None:
        """What ``write`` is about until this is called again."""
        rows = torch.arange(place.first, place.end, device=place.positions.device)
        self.place, self._flat = place, (rows[:, None] * self.length + place.positions).flatten()

    def write(self, layer: int, keys: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Keep what this pass computed of its tokens, and give all that its rows have.

        Args:
            layer: counted from 0, in order where it is new.
            keys: [rows, tokens, heads, size], as values.

        Returns:
            Keys and values of these rows up to the pass's length: [rows, heads, length, size].
        """
        if layer == len(self._layers):
            with torch.inference_mode(False):  # they are moved outside of it, too
                self._layers.append((self._made(keys), self._made(values)))
        place, found = self.place, []
        for kept, new in zip(self._layers[layer], (keys, values), strict=True):
            kept.view(-1, *kept.shape[2:]).index_copy_(0, self._flat, new.reshape(-1, *kept.shape[2:]))
            found.append(kept[place.first : place.end, : place.length].transpose(1, 2))
        return found[0], found[1]

    def copy(self, source: int, target: int, length: int) -> None:
        """Put the first tokens of one row over those of another."""
        for kept in self._tensors():
            kept[target, :length] = kept[source, :length]

    def swap(self, one: int, other: int, length: int) -> None:
        """Let two rows change places, in their first tokens."""
        for kept in self._tensors():
            kept[[one, other], :length] = kept[[other, one], :length]

    def _tensors(self) -> list[torch.Tensor]:
        return [kept for layer in self._layers for kept in layer]

    def _made(self, like: torch.Tensor) -> torch.Tensor:
        """Zeros, not what was there: where a score is masked its value is multiplied by 0, and 0 * NaN is NaN."""
        shape = (self.rows, self.length, *like.shape[2:])
        if like.device.type != "cpu":
            return torch.zeros(shape, dtype=like.dtype, device=like.device)
        # NumPy takes them from the system as they are needed; torch would write every one of them now.
        plain = np.zeros(math.prod(shape) * like.element_size(), dtype=np.uint8)
        return torch.from_numpy(plain).view(like.dtype).view(shape)
