"""Whose text is begun next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from tunesmith.service.fair_queue import FairQueue
from tunesmith.service.writing.text import Text

LOW = "\0low"
"""All that is low, as one key that holds places."""


class Turns:
    """Texts that wait for a place, by turns between keys; what is low after all that is not.

    One place of several is kept for a key that has none: texts take seconds, and who comes new shall not wait for one
    to end. Its counts may be read from any thread; for the rest, the caller's lock is held.

    Args:
        places: texts that can be written at once.
    """

    def __init__(self, places: int) -> None:
        self.places = places
        self.most = max(1, places - 1)
        """Places of one key."""
        self.live = 0
        """Texts that wait and are not low."""
        self.held: Counter[str] = Counter()
        """Places by key."""
        self._live: FairQueue[Text] = FairQueue()
        self._low: FairQueue[Text] = FairQueue()

    def __bool__(self) -> bool:
        """Whether any text waits."""
        return bool(self._live or self._low)

    @property
    def tokens(self) -> int:
        """That the waiting texts may take."""
        return self._live.tokens + self._low.tokens

    def put(self, text: Text) -> None:
        """A text waits."""
        low = text.stream.low
        (self._low if low else self._live).put(text.stream.key, text, text.cost)
        self.live += not low

    def take(self) -> list[Text]:
        """Texts that have a place now. Those that nobody waits for are passed over."""
        taken: list[Text] = []
        while self.busy < self.places:
            full = {key for key, count in self.held.items() if count >= self.most}
            if found := self._live.take(1, 1, full):
                self.live -= 1
            elif LOW not in full:
                found = self._low.take(1, 1, full)
            if not found:
                break
            (text,) = found
            if not text.stream.cancelled:
                self._hold(text, 1)
                taken.append(text)
        return taken

    @property
    def busy(self) -> int:
        """Places that are taken."""
        return self.held.total() - self.held[LOW]

    def end(self, text: Text) -> None:
        """A text gives its place back."""
        self._hold(text, -1)

    def left(self) -> Iterable[Text]:
        """All that wait, who will not be served."""
        self.live = 0
        return [*self._live.take(1, 2**31), *self._low.take(1, 2**31)]

    def _hold(self, text: Text, change: int) -> None:
        for key in (text.stream.key, *([LOW] if text.stream.low else [])):
            self.held[key] += change
            if not self.held[key]:
                del self.held[key]
