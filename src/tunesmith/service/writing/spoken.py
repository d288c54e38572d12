"""What is said, without the thought before it, while both are written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tunesmith.models.decoder.pieces import Pieces
from tunesmith.tasks.conversation import said, thinks

BEGINS = "<think>"
TAIL = 8
"""Last tokens of a prompt in which a thought may begin."""


class Spoken:
    """The pieces of an answer whose thought is held back until it has ended, and left out then.

    As ``conversation.said`` does with a whole answer; so one whose thought never ends is given out as it is.

    Args:
        pieces: of the whole answer.
        opened: whether the prompt has begun the thought.
    """

    def __init__(self, pieces: Pieces, *, opened: bool = False) -> None:
        self._pieces, self._opened = pieces, opened
        self._held, self._through = "", False
        self.text = ""
        """What was given out so far."""

    @property
    def stopped(self) -> bool:
        """Whether a stop string was found."""
        return self._pieces.stopped

    def add(self, token: int) -> str:
        """The text that is certain now; may be empty."""
        return self._out(self._pieces.add(token), end=False)

    def end(self) -> str:
        """What was held back."""
        return self._out(self._pieces.end(), end=True)

    def _out(self, new: str, *, end: bool) -> str:
        self._held += new
        if not self._through and not end and self._waits():
            return ""
        shown = said(self._held)
        self._through = self._through or bool(shown)
        self._held = ""
        self.text += shown
        return shown

    def _waits(self) -> bool:
        """Whether a thought may still go on, or begin; or has just ended, and nothing but blanks came since."""
        if thinks(self._held):
            return not said(self._held)
        begun = self._held.lstrip()
        return self._opened or begun.startswith(BEGINS) or BEGINS.startswith(begun)


def opens(tokenizer: Any, prompt: Sequence[int]) -> bool:
    """Whether a prompt ends with the beginning of a thought, as templates of models that always think write it."""
    tail: str = tokenizer.decode([int(token) for token in prompt[-TAIL:]])
    return tail.rstrip().endswith(BEGINS)
