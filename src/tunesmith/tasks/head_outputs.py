"""A head's logits in a mixture, as the part's own model gives them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np

from tunesmith.core.contracts import Batch, Decoding, Feature, Task


def head_outputs(logits: Any) -> Any:
    """``logits`` [rows, classes] or [rows, length, classes], with a question's two outputs a token."""
    return SimpleNamespace(logits=logits, **starts_and_ends(logits))


def starts_and_ends(logits: Any) -> dict[str, Any]:
    """Two logits a token are a question's: its starts and its ends [rows, length], by their names; else nothing."""
    spans = logits.ndim == 3 and logits.shape[-1] == 2
    return {"start_logits": logits[..., 0], "end_logits": logits[..., 1]} if spans else {}


def alone(part: Task, feature: Feature, logits: np.ndarray) -> np.ndarray:
    """What a part makes of its head's logits for one feature, which has nothing to be padded to."""
    no_padding: Any = SimpleNamespace(pad_token_id=0, eos_token_id=0)
    return part.infer(_Given(logits), part.collate([feature], no_padding))[0]


class _Given:
    """A runtime that has computed already: one feature's logits."""

    name: ClassVar[str] = "given"

    def __init__(self, logits: np.ndarray) -> None:
        self.logits = logits

    def forward(self, batch: Batch) -> dict[str, np.ndarray]:
        """The logits, under every name that a head's outputs have."""
        found: dict[str, np.ndarray] = vars(head_outputs(self.logits[None]))
        return found

    def generate(self, batch: Batch, decoding: Decoding) -> list[np.ndarray]:
        """No part generates."""
        raise NotImplementedError

    def score(self, batch: Batch) -> list[np.ndarray]:
        """No part generates."""
        raise NotImplementedError
