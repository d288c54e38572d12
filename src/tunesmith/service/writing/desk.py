"""The thread that writes: it gives texts a place, lets the decoder take a step, and tells what was written."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

from tunesmith.models.decoder.continuous import Continuous
from tunesmith.service.job import refusal
from tunesmith.service.overload import smoothed, unloading
from tunesmith.service.problems import Refused
from tunesmith.service.writing.stream import Part, Stream, deliver
from tunesmith.service.writing.text import Text
from tunesmith.service.writing.turns import Turns


class Desk:
    """A decoder at work, until it is closed.

    Args:
        decoder: writes.
        name: for the thread's name.
    """

    def __init__(self, decoder: Continuous, name: str) -> None:
        self.closing = False
        self.turns = Turns(decoder.rows)
        self._decoder = decoder
        self._texts: dict[Any, Text] = {}  # those that are being written, by the decoder's own
        self._rate = self._length = 0.0  # tokens a second of a full batch, tokens of a text; smoothed
        self._cut_off = False
        self._wake = threading.Condition()
        self._thread = threading.Thread(target=self._work, name=f"{name}-write", daemon=True)
        self._thread.start()

    @property
    def length(self) -> int:
        """Tokens that a prompt and its answer may have."""
        return self._decoder.length

    def wait_expected(self, key: str = "") -> float:
        """Seconds until a text that arrives now begins to be written, about; 0 while nothing is known.

        Args:
            key: whose text it is; one that has no place yet finds the one that is kept.
        """
        turns = self.turns
        new = bool(key) and not turns.held.get(key) and turns.busy < turns.places and turns.live < turns.places
        if new or turns.busy < turns.most or not self._rate:
            return 0.0
        return (turns.live + 0.5) * self._length / self._rate

    def put(self, texts: Sequence[Text]) -> None:
        """Texts to be written; raises Refused (503) where it is closing."""
        with self._wake:
            if self.closing:
                raise unloading()
            for text in texts:
                self.turns.put(text)
            self._wake.notify()

    def close(self, timeout: float) -> None:
        """Write what was asked, as long as that takes; then end."""
        with self._wake:
            self.closing = True
            self._wake.notify()
        self._thread.join(timeout)
        self._cut_off = True
        self._thread.join(timeout)

    def _work(self) -> None:
        while True:
            with self._wake:
                while not (self.turns or self._texts or self.closing):
                    self._wake.wait()
                if self._cut_off or not (self.turns or self._texts):
                    break
                taken = self.turns.take()
            self._begin(taken)
            try:
                self._step()
            except Exception as error:  # whatever a model can do; those who come after it are written
                self._fail(refusal(error))
        self._fail(unloading())
        with self._wake:
            deliver([(text.stream, unloading()) for text in self.turns.left()])

    def _begin(self, texts: Sequence[Text]) -> None:
        for text in texts:
            try:
                text.writing = self._decoder.add(text.prompt, text.decoding)
            except Exception as error:  # a prompt that the decoder does not take ends its own text, and no other
                with self._wake:
                    self.turns.end(text)
                deliver([(text.stream, refusal(error))])
            else:
                self._texts[text.writing] = text

    def _step(self) -> None:
        for text in [text for text in self._texts.values() if text.stream.cancelled]:
            self._drop(text)
        began, full = time.monotonic(), self.turns.busy >= self.turns.most
        told = self._decoder.step()
        if full and told:
            self._rate = smoothed(self._rate, len(told) / max(time.monotonic() - began, 1e-6))
        parts: list[tuple[Stream, Part | Refused]] = []
        for writing, token, finish in told:
            if writing not in self._texts:  # a stop string has ended it within this step
                continue
            text = self._texts[writing]
            part = text.add(token, finish)
            parts.append((text.stream, part))
            if part.finish:
                self._drop(text)
                self._length = smoothed(self._length, len(writing.ids))
        deliver(parts)

    def _drop(self, text: Text) -> None:
        del self._texts[text.writing]
        self._decoder.drop(text.writing)
        with self._wake:
            self.turns.end(text)

    def _fail(self, why: Refused) -> None:
        """End all that is being written."""
        for text in list(self._texts.values()):
            self._drop(text)
            deliver([(text.stream, why)])
