"""A request on its way through an engine: its rows, its features in pieces, and who waits for it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tunesmith.bundle.predictor import weight
from tunesmith.core.errors import DataError
from tunesmith.service.problems import Refused
from tunesmith.service.safety.texts import FILES

if TYPE_CHECKING:
    from tunesmith.bundle.predictor import Predictor
    from tunesmith.core.contracts import Feature, Prediction, Row

log = logging.getLogger(__name__)

CHARACTERS = 3.0
"""Of a token, roughly, before it is counted; only how much may wait depends on it."""
FILE = 100
"""Tokens that a picture or a sound counts as, whatever its size: rows with a file each still make a whole batch. They
are weighed in the queue alone, and not metered."""
Check = Callable[[Sequence["Feature"]], None]
"""Raises Refused where a request's features are not to be computed."""


@dataclass(frozen=True)
class Computed:
    """Answers to a request's rows, what they cost, and where the time went."""

    predictions: list[Prediction]
    tokens: int
    waited: float
    """Seconds from arrival until its batch began."""
    computed: float
    """Seconds that its batch took."""
    written: int = 0
    """Tokens that a model wrote; ``tokens`` are those that it read."""
    tokenised: float = 0.0
    """Seconds that its texts, and those that came with them, were cut into tokens; a part of ``waited``."""
    together: int = 0
    """Rows, or windows of them, in the batch that it was computed in; 0: it is not computed in batches."""
    features: Sequence[Feature] = ()
    """What the model read, for who watches."""


@dataclass(eq=False)
class Job:
    """A request on its way."""

    rows: Sequence[Row]
    key: str
    deadline: float
    low: bool
    guess: int
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Computed]
    who: Predictor
    """Encodes and decodes it."""
    check: Check | None = None
    arrived: float = field(default_factory=time.monotonic)
    features: list[Feature] = field(default_factory=list)
    arrays: list[Any] = field(default_factory=list)
    """What was computed of each feature; None: not yet."""
    left: int = 0
    """Features that are not computed yet."""
    tokens: int = 0
    """That the model reads, as they are metered."""
    cost: int = 0
    """What it weighs in the queue: its tokens, and its files."""
    began: float = 0.0
    tokenised: float = 0.0
    """Seconds."""
    together: int = 0
    """Features of its largest batch."""
    ended: bool = False
    """Answered, or refused."""

    def late(self, then: float) -> bool:
        """Whether nobody waits for it any more at that moment."""
        return self.future.cancelled() or then > self.deadline


@dataclass(eq=False)
class Piece:
    """Some of a job's features: a large request is computed piece by piece, and others come in between."""

    job: Job
    begin: int
    end: int
    tokens: int


def pieces_of(job: Job, rows: int, tokens: int) -> list[Piece]:
    """A job's features in order, each piece at most so many and of so many tokens, but one feature at least."""
    made: list[Piece] = []
    for i, feature in enumerate(job.features):
        cost = cost_of(feature)
        last = made[-1] if made else None
        if last is None or last.end - last.begin >= rows or last.tokens + cost > tokens:
            made.append(Piece(job, i, i + 1, cost))
        else:
            last.end, last.tokens = i + 1, last.tokens + cost
    return made


def cost_of(feature: Feature) -> int:
    """What a feature weighs in the queue: its tokens, its sound's frames, and ``FILE`` for each of its files."""
    return weight(feature) + FILE * sum(name in feature for name in FILES)


Outcome = Computed | Refused


def settle(outcomes: Sequence[tuple[Job, Outcome]]) -> None:
    """Tell each who waits; from any thread, with one call into each event loop."""
    for loop in {id(job.loop): job.loop for job, _ in outcomes}.values():
        own = [(job.future, found) for job, found in outcomes if job.loop is loop]
        with suppress(RuntimeError):  # the loop is gone, and so are those who waited
            loop.call_soon_threadsafe(_settle, own)


def _settle(outcomes: Sequence[tuple[asyncio.Future[Computed], Outcome]]) -> None:
    for future, found in outcomes:
        if future.done():
            continue
        if isinstance(found, Refused):
            future.set_exception(found)
        else:
            future.set_result(found)


def guessed(rows: Sequence[Row]) -> int:
    """Tokens of rows, about: by characters, at least 8 a row; a file counts as ``FILE`` however many bytes it has."""
    return sum(8 + int(_characters(row) / CHARACTERS) for row in rows)


def _characters(value: Any) -> int:
    if isinstance(value, str):
        return len(value) if value.isascii() else 3 * len(value)
    if isinstance(value, dict):
        files = sum(bool(value.get(name)) for name in FILES)
        texts = (inner for name, inner in value.items() if name not in FILES)
        return sum(map(_characters, texts)) + int(files * FILE * CHARACTERS)
    return sum(map(_characters, value)) if isinstance(value, list | tuple) else 0


def refusal(error: Exception) -> Refused:
    """What a client is told of a failure: bad rows are its own, the rest is ours and not shown."""
    if isinstance(error, DataError):
        return Refused(422, "unreadable_rows", str(error).replace("\n", " "))
    if isinstance(error, Refused):
        return error
    log.error("unexpected: %s", type(error).__name__, exc_info=error)
    return Refused(500, "internal_error", "The service failed on this request. It was written to its log.")
