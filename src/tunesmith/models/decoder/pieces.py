"""Tokens become text as they come: never half a character, never what a stop string may still begin with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tunesmith.models.decoder.spacing import spacing_of

HALF = "\ufffd"
"""What a tokenizer makes of bytes that are no whole character."""
LOOK_BACK = 6
"""Tokens before the new ones that are decoded with them: a tokenizer may drop or join spaces at a text's beginning."""


class Pieces:
    """The text of one answer.

    Args:
        tokenizer: decodes ids.
        stop: the text ends before the first of these.
        strip: leave out blanks at its beginning and its end.
    """

    def __init__(self, tokenizer: Any, stop: Sequence[str] = (), *, strip: bool = False) -> None:
        self._tokenizer, self._stop, self._strip = tokenizer, tuple(stop), strip
        self._spacing = spacing_of(tokenizer)
        self._ids: list[int] = []
        self._from = self._shown = 0  # tokens: where decoding begins, and up to where text is known
        self._certain = [0]  # tokens, up to which the text was whole: nowhere else may decoding begin
        self._held = ""
        self.text = ""
        """What was given out so far."""
        self.stopped = False
        """Whether a stop string was found; nothing comes after it."""

    def add(self, token: int) -> str:
        """The text that is certain now; may be empty."""
        self._ids.append(token)
        return self._out(self._new(end=False), end=False)

    def end(self) -> str:
        """What was held back; half a character at the very end is left out."""
        return self._out(self._new(end=True), end=True)

    def _new(self, *, end: bool) -> str:
        before = self._decoded(self._ids[self._from : self._shown])
        both = self._decoded(self._ids[self._from :])
        if not end and (both.endswith(HALF) or len(both) <= len(before)):
            return ""
        self._shown = len(self._ids)
        self._certain.append(self._shown)
        while len(self._certain) > 1 and self._certain[1] <= self._shown - LOOK_BACK:
            del self._certain[0]
        self._from = self._certain[0]
        return both[len(before) :].rstrip(HALF) if end else both[len(before) :]

    def _out(self, new: str, *, end: bool) -> str:
        if self.stopped:
            return ""  # what follows a stop string is nobody's
        self._held += new
        if self._strip and not self.text:
            self._held = self._held.lstrip()  # before it is looked through: blanks at the beginning stop nothing
        places = [place for stop in self._stop if (place := self._held.find(stop)) >= 0]
        if places:
            self.stopped = True
            certain = self._held[: min(places)]
        else:
            certain = self._held if end else self._held[: len(self._held) - begun(self._held, self._stop)]
        self._held = self._held[len(certain) :]
        if self._strip:
            certain = self._stripped(certain, last=end or self.stopped)
        self.text += certain
        return certain

    def _stripped(self, certain: str, *, last: bool) -> str:
        """Without blanks where it may end: they are held back."""
        shown = certain.rstrip()
        if not last:
            self._held = certain[len(shown) :] + self._held
        return shown

    def _decoded(self, ids: Sequence[int]) -> str:
        if not ids:
            return ""
        options = {"skip_special_tokens": True, "clean_up_tokenization_spaces": False}
        return self._spacing(self._tokenizer.decode(ids, **options))


def begun(text: str, stops: Sequence[str]) -> int:
    """How many of a text's last characters may be the beginning of a stop string.

    >>> begun("so far. Us", ["User:", "###"])
    2
    """
    longest = max((len(stop) for stop in stops), default=0)
    tails = range(min(longest - 1, len(text)), 0, -1)
    return next((n for n in tails if any(stop.startswith(text[-n:]) for stop in stops)), 0)
