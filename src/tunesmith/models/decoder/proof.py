"""Before a model is asked step by step: two texts so, and the same two whole, must give the same logits."""

from __future__ import annotations

from typing import Any

import torch

from tunesmith.core.errors import ModelError
from tunesmith.models.decoder.memory import Memory, Place
from tunesmith.models.decoder.network import Network

TOLERANCE = {"fp32": 1e-3, "bf16": 0.1}
"""How far logits may be off, of their own spread."""
LENGTHS = (7, 4)
"""Unequal, as what goes wrong goes wrong by a position or a mask."""


class Proof:
    """What a model says of two texts, before it is repacked.

    Args:
        model: of transformers.
        memory: where the network will write.
    """

    def __init__(self, model: Any, memory: Memory) -> None:
        self._memory, self._device = memory, next(iter(model.parameters())).device
        lengths = [min(length, memory.length - 1) for length in LENGTHS[: memory.rows]]
        vocabulary = model.get_input_embeddings().num_embeddings
        self._texts = [[(7919 * i + 104729 * row) % vocabulary for i in range(n + 1)] for row, n in enumerate(lengths)]
        with torch.inference_mode():
            self._wanted = [
                model(input_ids=torch.tensor([text], device=self._device)).logits[0, -1].float() for text in self._texts
            ]

    @torch.inference_mode()
    def hold(self, network: Network, precision: str) -> None:
        """Compare.

        Raises:
            ModelError: they are not the same.
        """
        for row, text in enumerate(self._texts):
            for begin, end in ((0, 2), (2, len(text) - 1)):
                if begin < end:
                    self._logits(network, row, text, begin, end)
        lengths = [len(text) - 1 for text in self._texts]
        positions = torch.tensor(lengths, device=self._device)[:, None]
        place = Place(0, len(lengths), positions, max(lengths) + 1, ragged=True)
        last = torch.tensor([text[-1:] for text in self._texts], device=self._device)
        for found, wanted in zip(network.logits(last, place).float(), self._wanted, strict=True):
            off = float((found - wanted).norm() / (wanted - wanted.mean()).norm().clamp(min=1e-9))
            if not off <= TOLERANCE[precision]:
                raise ModelError(
                    f"Asked step by step the model gives other logits than at once: {off:.2g} of their spread "
                    f"({precision}).",
                    "Use precision fp32, or ask it by the runtime's own generate.",
                )

    def _logits(self, network: Network, row: int, text: list[int], begin: int, end: int) -> None:
        positions = torch.arange(begin, end, device=self._device)[None]
        ids = torch.tensor([text[begin:end]], device=self._device)
        network.logits(ids, Place(row, row + 1, positions, end, ragged=False))
