"""A model of transformers as it is, over our memory. ``llama.py`` has a quicker way for most models."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from transformers import Cache

from tunesmith.models.decoder.memory import Memory, Place


class TorchNetwork(Protocol):
    """Tokens in, logits out; keys and values go into the memory that it was made with."""

    def logits(self, ids: torch.Tensor, place: Place) -> torch.Tensor:
        """Of the last token of each row: [rows, vocabulary].

        Args:
            ids: int64, [rows, tokens].
            place: which rows these are, and where in their texts.
        """
        ...


class OnArrays:
    """A torch network as a ``Network``.

    Args:
        network: computes.
        memory: the one that it was made with.
        device: where it is.
    """

    def __init__(self, network: TorchNetwork, memory: Memory, device: torch.device) -> None:
        self._network, self._memory, self._device = network, memory, device
        self.rows, self.length = memory.rows, memory.length
        self.copy, self.swap = memory.copy, memory.swap

    @torch.inference_mode()
    def logits(self, ids: np.ndarray, first: int, starts: np.ndarray) -> np.ndarray:
        """See ``Network``."""
        positions = torch.from_numpy(starts[:, None] + np.arange(ids.shape[1])).to(self._device)
        longest = int(starts.max()) + ids.shape[1]
        place = Place(first, first + len(ids), positions, longest, ragged=bool(starts.min() != starts.max()))
        found: np.ndarray = self._network.logits(torch.from_numpy(ids).to(self._device), place).float().cpu().numpy()
        return found


class AnyModel:
    """A causal model of transformers whose layers are all attention.

    Args:
        model: in evaluation mode.
        memory: its keys and values.
    """

    def __init__(self, model: Any, memory: Memory) -> None:
        self.model, self._memory, self._cache = model, memory, _InMemory(memory)

    def logits(self, ids: torch.Tensor, place: Place) -> torch.Tensor:
        """See ``TorchNetwork``."""
        self._memory.go_to(place)
        found = self.model(
            input_ids=ids,
            attention_mask=_always(place, self.model.dtype),
            position_ids=place.positions,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return found.logits[:, -1]  # type: ignore[no-any-return]


class _InMemory(Cache):
    """Our memory as transformers' models ask for it."""

    def __init__(self, memory: Memory) -> None:
        super().__init__(layers=[])
        self._memory = memory

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return self._memory.write(layer_idx, key_states.transpose(1, 2), value_states.transpose(1, 2))

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return self._memory.place.length - self._memory.place.positions.shape[1]

    def get_mask_sizes(self, query_length: int, layer_idx: int = 0) -> tuple[int, int]:
        return self._memory.place.length, 0


def _always(place: Place, dtype: torch.dtype) -> torch.Tensor:
    """A mask in any case: without one a model makes its own, of what it thinks is in the cache."""
    mask = place.mask(dtype)
    shape = (place.end - place.first, 1, 1, place.length)
    return torch.zeros(shape, dtype=dtype, device=place.positions.device) if mask is None else mask
