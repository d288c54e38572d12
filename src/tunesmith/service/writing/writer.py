"""What writes a product's answers: texts of many clients in one batch, on a thread beside the event loop.

    submit, write -> encode -> [waiting, fair between keys] -> the decoder -> a part a token -> the stream

The same calls as ``Engine``, and ``write``, whose texts can be read while they are written.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.models.decoder.pieces import Pieces
from tunesmith.service.fair_queue import FairQueue
from tunesmith.service.job import Check, Computed, guessed, refusal
from tunesmith.service.overload import ROOM, overloaded, smoothed, unloading
from tunesmith.service.problems import Refused
from tunesmith.service.settings import Batching
from tunesmith.service.writing.kinds import written_in
from tunesmith.service.writing.stream import Part, Stream, deliver
from tunesmith.service.writing.text import Text

if TYPE_CHECKING:
    from tunesmith.bundle.predictor import Predictor
    from tunesmith.core.contracts import Decoding, Feature, Row
    from tunesmith.models.decoder.continuous import Continuous

log = logging.getLogger(__name__)

LOW = "\0low"
"""All that is low, as one key that holds places."""


class Writer:
    """A predictor whose model writes, and that many ask at once.

    Args:
        predictor: encodes and decodes; its task says how it writes where a request does not.
        decoder: writes.
        limits: of queues.
        name: for the thread's name.
    """

    def __init__(
        self,
        predictor: Predictor,
        decoder: Continuous,
        limits: Batching = Batching(),  # noqa: B008
        name: str = "writer",
    ) -> None:
        self.predictor, self.limits, self._decoder = predictor, limits, decoder
        self._live: FairQueue[Text] = FairQueue()
        self._low: FairQueue[Text] = FairQueue()
        self._texts: dict[Any, Text] = {}  # those that are in the decoder, by its own
        self._encoding = 0  # tokens, about, that are not in a queue yet
        self._rate = self._length = 0.0  # tokens a second of a full batch, tokens of a text; smoothed
        self._closing = self._cut_off = False
        self._wake = threading.Condition()
        self._encoder = ThreadPoolExecutor(1, f"{name}-encode")
        self._thread = threading.Thread(target=self._work, name=f"{name}-write", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Tokens, about, that have arrived and are not read yet."""
        return self._encoding + self._live.tokens + self._low.tokens

    @property
    def context(self) -> int:
        """Tokens that a prompt and its answer may have."""
        return self._decoder.length

    def wait_expected(self) -> float:
        """Seconds until a text that arrives now begins to be written, about; 0 while nothing is known."""
        if len(self._texts) < self._decoder.rows or not self._rate:
            return 0.0
        return (len(self._live) + 0.5) * self._length / self._rate

    def refuse_if_full(self, more: int = 0, deadline: float | None = None) -> None:
        """Raise Refused (503) where a request of so many tokens would not be begun in time."""
        expected, waiting = self.wait_expected(), self.waiting
        within = self.limits.deadline if deadline is None else deadline
        if self._closing:
            raise unloading()
        if expected > ROOM * within or (waiting and waiting + more > self.limits.waiting):
            raise overloaded(within, expected)

    async def submit(
        self,
        rows: Sequence[Row],
        key: str,
        *,
        deadline: float | None = None,
        low: bool = False,
        check: Check | None = None,
    ) -> Computed:
        """Answers to rows, in order, written as the task says. If the caller is cancelled, they are not.

        Args:
            rows: as ``bundle.rows.as_rows`` gives them.
            key: whose turn it is.
            deadline: seconds from now until the first token; None: the engine's.
            low: after all that is not low.
            check: looks at the rows' features before they wait.

        Raises:
            Refused: overloaded (503), too late (503), or the rows cannot be read (422).
        """
        who = self.predictor
        decoding: Decoding = who.task.decoding  # type: ignore[attr-defined]
        stream = await self.write(
            lambda: who.encode(rows), guessed(rows), [decoding], key, deadline=deadline, low=low, check=check
        )
        try:
            async for _ in stream:
                pass
        finally:
            stream.cancel()
        predictions = who.decode([np.asarray(ids) for ids in stream.ids], stream.features)
        waited = stream.began - stream.arrived
        computed = time.monotonic() - stream.began
        return Computed(predictions, stream.read, waited, computed, written_in(who.task, predictions))

    async def write(
        self,
        encode: Callable[[], Sequence[Feature]],
        guess: int,
        decodings: Sequence[Decoding],
        key: str,
        *,
        deadline: float | None = None,
        low: bool = False,
        check: Check | None = None,
        strip: bool = True,
    ) -> Stream:
        """Texts as they are written: for each feature one by each decoding.

        Args:
            encode: gives the features; called in a thread.
            guess: their tokens, about.
            decodings: how.
            key: whose turn it is.
            deadline: seconds from now until the first token; None: the engine's.
            low: after all that is not low.
            check: looks at the features before they wait.
            strip: leave out blanks where texts begin and end.

        Raises:
            Refused: overloaded (503), or the prompt cannot be read (422).
        """
        within = self.limits.deadline if deadline is None else deadline
        if self._closing:
            raise unloading()
        if not low:
            self.refuse_if_full(guess, within)
        until = time.monotonic() + within
        self._encoding += guess
        try:
            features = await asyncio.get_running_loop().run_in_executor(self._encoder, encode)
            if check is not None:
                check(features)
        except Exception as error:
            raise refusal(error) from error
        finally:
            self._encoding -= guess
        stream = Stream(features, len(features) * len(decodings), key, until, low)
        texts = [
            Text(stream, i * len(decodings) + j, self._prompt(feature), decoding, self._pieces(decoding, strip))
            for i, feature in enumerate(features)
            for j, decoding in enumerate(decodings)
        ]
        with self._wake:
            if self._closing:
                raise unloading()
            for text in texts:
                (self._low if low else self._live).put(key, text, text.cost)
            self._wake.notify()
        return stream

    def close(self, timeout: float = 30.0) -> None:
        """Write what was asked, as long as that takes; then end."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join(timeout)
        self._cut_off = True
        self._thread.join(timeout)
        self._encoder.shutdown(wait=False)

    def _prompt(self, feature: Feature) -> list[int]:
        ids = [int(token) for token in feature["input_ids"]]
        if not 0 < len(ids) < self.context:
            most = self.context - 1
            raise Refused(400, "context_length_exceeded", f"The prompt has {len(ids)} tokens; 1 to {most} can be read.")
        return ids

    def _pieces(self, decoding: Decoding, strip: bool) -> Pieces:
        return Pieces(self.predictor.processor, decoding.stop, strip=strip)

    def _work(self) -> None:
        while True:
            with self._wake:
                while not (self._live or self._low or self._texts or self._closing):
                    self._wake.wait()
                if self._cut_off or not (self._live or self._low or self._texts):
                    break
                taken = self._taken()
            for text in taken:
                text.writing = self._decoder.add(text.prompt, text.decoding)
                self._texts[text.writing] = text
            self._step()
        self._fail(unloading())

    def _taken(self) -> list[Text]:
        """What there is room for, by turns. One place of several is left for a key that has none."""
        taken: list[Text] = []
        held = Counter(text.stream.key for text in self._texts.values())
        held[LOW] = sum(text.stream.low for text in self._texts.values())
        most = max(1, self._decoder.rows - 1)
        while len(self._texts) + len(taken) < self._decoder.rows:
            full = {key for key, count in held.items() if count >= most}
            found = self._live.take(1, 1, full) or ([] if LOW in full else self._low.take(1, 1, full))
            if not found:
                break
            (text,) = found
            if text.stream.cancelled:
                continue
            held[text.stream.key] += 1
            held[LOW] += text.stream.low
            taken.append(text)
        return taken

    def _step(self) -> None:
        for writing, text in list(self._texts.items()):
            if text.stream.cancelled:
                self._drop(writing)
        began, full = time.monotonic(), len(self._texts) == self._decoder.rows
        try:
            told = self._decoder.step()
        except Exception as error:
            self._fail(refusal(error))
            return
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
                self._drop(writing)
                self._length = smoothed(self._length, len(writing.ids))
        deliver(parts)

    def _drop(self, writing: Any) -> None:
        self._decoder.drop(writing)
        del self._texts[writing]

    def _fail(self, why: Refused) -> None:
        """End all that is being written, and what waits where nothing will be written any more."""
        waiting = self._live.take(1, len(self._live)) + self._low.take(1, len(self._low)) if self._cut_off else []
        deliver([(text.stream, why) for text in [*self._texts.values(), *waiting]])
        for writing in list(self._texts):
            self._drop(writing)
