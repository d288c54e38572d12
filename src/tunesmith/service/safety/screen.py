"""An answer that is shown while it is written: nothing leaves that a filter may still have a say in."""

from __future__ import annotations

import time

from tunesmith.service.safety.guard import Flag, Guard, blocked, mask
from tunesmith.service.safety.rules import TooSlow

SECONDS = 0.02
"""That the filters have for a piece."""


class Screen:
    """One text on its way to a client.

    What it lets through is what ``Guard.after`` makes of the whole text. A filter that only flags holds nothing back.

    Args:
        guard: the product's.
    """

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._filters = [(spec, finds) for spec, finds in guard.outputs if spec.action != "flag"]
        self._text = ""
        self._shown = 0
        self._slow = False

    def add(self, piece: str) -> str:
        """Take what was written, and give what may be shown.

        Raises:
            Refused: blocked ("content_filter").
        """
        self._text += piece
        if not self._filters:
            self._shown = len(self._text)
            return piece
        if self._slow:
            return ""
        text, until = self._text, time.perf_counter() + SECONDS
        try:
            end = min(finds.open_from(text, until) for _, finds in self._filters)
            for spec, finds in self._filters if end > self._shown else ():
                places = [place for place in finds.find([text], until)[0] if place[0] < end]
                if places and spec.action == "block":
                    raise blocked(spec, "output")
                text = mask(text, places)
        except TooSlow:
            self._slow = True  # the rest comes at the end, which has time of its own
            return ""
        return self._given(text, end)

    def end(self) -> tuple[str, list[Flag]]:
        """The rest, and what all filters found; to be called in a thread where ``Guard.slow`` says so.

        Raises:
            Refused: blocked ("content_filter").
        """
        (text,), flags = self._guard.after([self._text])
        return self._given(text, len(text)), flags

    @property
    def whole(self) -> list[str]:
        """What ``end`` will look through."""
        return [self._text]

    def _given(self, text: str, end: int) -> str:
        shown, self._shown = text[self._shown : end], max(end, self._shown)
        return shown
