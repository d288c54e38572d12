"""What computes, as ``continuous.py`` asks it: arrays in, arrays out, whatever computes them."""

from __future__ import annotations

from typing import Protocol

import numpy as np


class Network(Protocol):
    """A model and its memory of keys and values, a row for each text.

    Args:
        rows: texts at once.
        length: tokens that a text may have.
    """

    rows: int
    length: int

    def logits(self, ids: np.ndarray, first: int, starts: np.ndarray) -> np.ndarray:
        """Of the last token of each row: float32 [rows, vocabulary]; it may be written over by the next call.

        Args:
            ids: the next tokens of some rows, int64 [rows, tokens].
            first: the first of these rows; the others are behind it.
            starts: how many tokens each of them has already, int64 [rows].
        """
        ...

    def copy(self, source: int, target: int, length: int) -> None:
        """Put the first tokens of one row over those of another."""
        ...

    def swap(self, one: int, other: int, length: int) -> None:
        """Let two rows change places, in their first tokens."""
        ...
