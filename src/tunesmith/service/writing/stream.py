"""A request's texts on their way to who asked: filled by the writer's thread, read on the event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tunesmith.service.overload import too_late
from tunesmith.service.problems import Refused

if TYPE_CHECKING:
    from tunesmith.core.contracts import Feature

Finish = Literal["", "stop", "length"]


@dataclass(frozen=True)
class Part:
    """What is new of a text.

    Args:
        index: of the text, in its request.
        token: the one that was written.
        text: what can be shown since; may be empty.
        finish: why it ended; "" while it goes on.
    """

    index: int
    token: int
    text: str
    finish: Finish


class Stream:
    """Parts as they come, until every text has ended; to be made on the event loop.

    Args:
        features: what the model reads, one a question.
        texts: how many are written, one after the other for each feature.
        key: whose turn it is.
        deadline: the moment (``time.monotonic``) until which the first token must come.
        low: after all that is not low.
    """

    def __init__(self, features: Sequence[Feature], texts: int, key: str, deadline: float, low: bool) -> None:
        self.features, self.key, self.deadline, self.low = features, key, deadline, low
        self.read = sum(len(feature["input_ids"]) for feature in features)
        """Tokens of the prompts."""
        self.ids: list[list[int]] = [[] for _ in range(texts)]
        """What was written, by text."""
        self.cancelled = False
        self.arrived = time.monotonic()
        self.began = 0.0
        """When its first token came; 0: none has."""
        self.loop = asyncio.get_running_loop()
        self._parts: asyncio.Queue[Part | Refused] = asyncio.Queue()
        self._going = texts

    @property
    def written(self) -> int:
        """Tokens that were written so far."""
        return sum(map(len, self.ids))

    def __aiter__(self) -> Stream:
        """Itself; it is read once."""
        return self

    async def __anext__(self) -> Part:
        """The next part.

        Raises:
            Refused: it is not written, or not to its end.
        """
        if not self._going:
            raise StopAsyncIteration
        try:
            async with asyncio.timeout(None if self.began else max(self.deadline - time.monotonic(), 0)):
                part = await self._parts.get()
        except TimeoutError:
            part = too_late()
        if isinstance(part, Refused):
            self._going = 0
            self.cancel()
            raise part
        self._going -= part.finish != ""
        return part

    def cancel(self) -> None:
        """Nobody reads on: the writer gives its place away before the next token."""
        self.cancelled = True

    def take(self, part: Part | Refused) -> None:
        """From the writer, on the event loop."""
        if self.cancelled:
            return
        if isinstance(part, Part):
            self.began = self.began or time.monotonic()
            self.ids[part.index].append(part.token)
        self._parts.put_nowait(part)


def deliver(parts: Sequence[tuple[Stream, Part | Refused]]) -> None:
    """Give parts to their streams; from any thread, with one call into each event loop."""
    for loop in {id(stream.loop): stream.loop for stream, _ in parts}.values():
        own = [(stream, part) for stream, part in parts if stream.loop is loop]
        with suppress(RuntimeError):  # the loop is gone, and so are those who waited
            loop.call_soon_threadsafe(_take, own)


def _take(parts: Sequence[tuple[Stream, Part | Refused]]) -> None:
    for stream, part in parts:
        stream.take(part)
