"""What writes a product's answers: texts of many clients in one batch, on a thread beside the event loop.

    submit, write -> encode -> [waiting, fair between keys] -> the decoder -> a part a token -> the stream

The same calls as ``Engine``, and ``write``, whose texts can be read while they are written.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from tunesmith.models.decoder.pieces import Pieces
from tunesmith.service.job import Check, Computed, guessed, refusal
from tunesmith.service.overload import ROOM, overloaded, unloading
from tunesmith.service.problems import Refused
from tunesmith.service.settings import Batching
from tunesmith.service.writing.desk import Desk
from tunesmith.service.writing.kinds import written_in
from tunesmith.service.writing.spoken import Spoken, opens
from tunesmith.service.writing.stream import Stream
from tunesmith.service.writing.text import Text

if TYPE_CHECKING:
    from tunesmith.bundle.predictor import Predictor
    from tunesmith.core.contracts import Decoding, Feature, Row
    from tunesmith.models.decoder.continuous import Continuous


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
        self.predictor, self.limits = predictor, limits
        self._desk = Desk(decoder, name)
        self._encoding = 0  # tokens, about, that do not wait for a place yet
        self._encoder = ThreadPoolExecutor(1, f"{name}-encode")

    @property
    def waiting(self) -> int:
        """Tokens, about, that have arrived and are not read yet."""
        return self._encoding + self._desk.turns.tokens

    @property
    def context(self) -> int:
        """Tokens that a prompt and its answer may have."""
        return self._desk.length

    def wait_expected(self, key: str = "") -> float:
        """Seconds until a text of a key that arrives now begins to be written, about."""
        return self._desk.wait_expected(key)

    def refuse_if_full(self, more: int = 0, deadline: float | None = None, key: str = "") -> None:
        """Raise Refused (503) where a request of so many tokens would not be begun in time."""
        expected, waiting = self.wait_expected(key), self.waiting
        within = self.limits.deadline if deadline is None else deadline
        if self._desk.closing:
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
        written = written_in(who.task, predictions)
        return Computed(predictions, stream.read, waited, computed, written, features=stream.features)

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
        if self._desk.closing:
            raise unloading()
        if not low:
            self.refuse_if_full(guess, within, key)
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
            Text(
                stream,
                i * len(decodings) + j,
                self._prompt(feature),
                decoding.at(i * len(decodings)),  # no two rows of a request have the same seed
                self._pieces(feature, decoding, strip),
            )
            for i, feature in enumerate(features)
            for j, decoding in enumerate(decodings)
        ]
        self._desk.put(texts)
        return stream

    def close(self, timeout: float = 30.0) -> None:
        """Write what was asked, as long as that takes; then end."""
        self._desk.close(timeout)
        self._encoder.shutdown(wait=False)

    def _prompt(self, feature: Feature) -> list[int]:
        ids = [int(token) for token in feature["input_ids"]]
        if not 0 < len(ids) < self.context:
            most = self.context - 1
            raise Refused(400, "context_length_exceeded", f"The prompt has {len(ids)} tokens; 1 to {most} can be read.")
        return ids

    def _pieces(self, feature: Feature, decoding: Decoding, strip: bool) -> Pieces | Spoken:
        tokenizer = self.predictor.processor
        pieces = Pieces(tokenizer, decoding.stop, strip=strip)
        if not strip or getattr(self.predictor.task, "shows_thoughts", True):
            return pieces
        return Spoken(pieces, opened=opens(tokenizer, feature["input_ids"]))
