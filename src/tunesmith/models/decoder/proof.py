"""Before a model is asked step by step: two texts so, and the same two whole, must give the same logits."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tunesmith.core.errors import ModelError
from tunesmith.models.decoder.network import Network

TOLERANCE = {"fp32": 1e-3, "bf16": 0.1, "int8": 0.25, "int4": 0.25}
"""How far logits may be off, of their own spread. ONNX Runtime brings the activations of many tokens to int8 otherwise
than those of one: of SmolLM2's logits 0.03 to 0.09, neither of them nearer to fp32 than the other."""
LENGTHS = (7, 4)
"""Unequal, as what goes wrong goes wrong by a position or a mask."""


class Proof:
    """What a model says of two texts, before it is repacked.

    Args:
        whole: ids of a text -> logits of what comes next, [vocabulary].
        vocabulary: its size.
        rows: of the network to be.
        length: of the network to be.
    """

    def __init__(self, whole: Callable[[Sequence[int]], np.ndarray], vocabulary: int, rows: int, length: int) -> None:
        lengths = [min(wanted, length - 1) for wanted in LENGTHS[:rows]]
        self._texts = [[(7919 * i + 104729 * row) % vocabulary for i in range(n + 1)] for row, n in enumerate(lengths)]
        self._wanted = [np.array(whole(text), dtype=np.float32) for text in self._texts]

    def hold(self, network: Network, precision: str) -> None:
        """Compare.

        Raises:
            ModelError: they are not the same.
        """
        for row, text in enumerate(self._texts):
            for begin, end in ((0, 2), (2, len(text) - 1)):
                if begin < end:
                    network.logits(np.array([text[begin:end]]), row, np.array([begin]))
        starts = np.array([len(text) - 1 for text in self._texts])
        last = np.array([text[-1:] for text in self._texts])
        for found, wanted in zip(network.logits(last, 0, starts), self._wanted, strict=True):
            spread = max(float(np.linalg.norm(wanted - wanted.mean())), 1e-9)
            off = float(np.linalg.norm(found - wanted)) / spread
            if not off <= TOLERANCE[precision]:
                raise ModelError(
                    f"Asked step by step the model gives other logits than at once: {off:.2g} of their spread "
                    f"({precision}).",
                    "Use precision fp32, or ask it by the runtime's own generate.",
                )
