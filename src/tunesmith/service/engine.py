"""What computes a product's answers: requests of many clients in one batch, on threads beside the event loop.

    submit -> [arrived] -> tokenise -> [ready, fair between keys] -> infer -> decode -> answer

Two threads: while one batch is computed the texts of the next are cut into tokens; both happen outside of Python's
lock. Nothing waits for a batch to fill: an idle engine computes what there is, and while it computes the next batch
grows by itself.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tunesmith.service.fair_queue import FairQueue
from tunesmith.service.job import Check, Computed, Job, Outcome, Piece, cost_of, guessed, pieces_of, refusal, settle
from tunesmith.service.overload import ROOM, overloaded, smoothed, too_late, unloading
from tunesmith.service.problems import Refused
from tunesmith.service.settings import Batching
from tunesmith.service.writing.kinds import written_in

if TYPE_CHECKING:
    from tunesmith.bundle.predictor import Predictor
    from tunesmith.core.contracts import Row

log = logging.getLogger(__name__)


class Engine:
    """A predictor that many ask at once.

    Args:
        predictor: infers; encodes and decodes, too, unless a request names another that does.
        limits: of batches and queues.
        name: for the threads' names.
    """

    def __init__(self, predictor: Predictor, limits: Batching = Batching(), name: str = "engine") -> None:  # noqa: B008
        self.predictor = predictor
        self.limits = limits
        self._arrived: deque[Job] = deque()
        self._live: FairQueue[Piece] = FairQueue()
        self._low: FairQueue[Piece] = FairQueue()
        self._waiting = 0  # tokens, about, from arrival to the beginning of their batch
        self._computing = 0
        self._rate = 0.0  # tokens a second of full batches, smoothed; 0: not known yet
        self._took = 0.0  # seconds of a full batch, smoothed
        self._closing = self._all_tokenised = False
        lock = threading.RLock()
        self._new, self._ready = threading.Condition(lock), threading.Condition(lock)
        self._turn = threading.Lock()
        self._threads = [
            threading.Thread(target=self._watched, args=(work,), name=f"{name}-{work.__name__.strip('_')}", daemon=True)
            for work in (self._tokenise, self._compute)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """Tokens, about, that have arrived and are in no batch yet."""
        return self._waiting

    def wait_expected(self) -> float:
        """Seconds until a request that arrives now begins to be computed, about; 0 while nothing is known."""
        return (self._waiting + self._computing / 2) / self._rate if self._rate else 0.0

    def refuse_if_full(self, more: int = 0, deadline: float | None = None) -> None:
        """Raise Refused (503) where a request of so many tokens would not be answered in time."""
        expected = self.wait_expected()
        within = self.limits.deadline if deadline is None else deadline
        if self._closing:
            raise unloading()
        if expected + self._took > ROOM * within or (self._waiting and self._waiting + more > self.limits.waiting):
            raise overloaded(within, expected)

    async def submit(
        self,
        rows: Sequence[Row],
        key: str,
        *,
        deadline: float | None = None,
        low: bool = False,
        who: Predictor | None = None,
        check: Check | None = None,
    ) -> Computed:
        """Answers to rows, in order. If the caller is cancelled, they are not computed.

        Args:
            rows: as ``bundle.rows.as_rows`` gives them.
            key: whose turn it is.
            deadline: seconds from now; None: the engine's.
            low: after all that is not low.
            who: encodes and decodes; its features go into one batch with those of others.
            check: looks at its features before they wait to be computed.

        Raises:
            Refused: overloaded (503), too late (503), or the rows cannot be read (422).
        """
        guess = guessed(rows)
        within = self.limits.deadline if deadline is None else deadline
        if not low:
            self.refuse_if_full(guess, within)
        loop = asyncio.get_running_loop()
        job = Job(
            rows, key, time.monotonic() + within, low, guess, loop, loop.create_future(), who or self.predictor, check
        )
        with self._new:
            self._waiting += guess
            self._arrived.append(job)
            self._new.notify()
        return await job.future

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Between two batches: nothing is computed within the block."""
        with self._turn:
            yield

    def close(self, timeout: float = 30.0) -> None:
        """Compute what waits, then end."""
        with self._new, self._ready:
            self._closing = True
            self._new.notify_all()
            self._ready.notify_all()
        for thread in self._threads:
            thread.join(timeout)

    def _watched(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException:
            log.exception("a thread of the engine died")
            raise

    def _tokenise(self) -> None:
        while True:
            with self._new:
                while not self._arrived and not self._closing:
                    self._new.wait()
                if not self._arrived:
                    break
                jobs = [self._arrived.popleft() for _ in range(min(len(self._arrived), 2 * self.limits.rows))]
            now = time.monotonic()
            on_time = [job for job in jobs if not self._dropped(job, now)]
            self._forget(job for job in jobs if job.ended)
            for who in {id(job.who): job.who for job in on_time}.values():
                self._encode([job for job in on_time if job.who is who])
        with self._ready:
            self._all_tokenised = True
            self._ready.notify_all()

    def _encode(self, jobs: list[Job]) -> None:
        """All texts of one predictor's jobs in one call; where that fails, one by one: a broken row fails alone."""
        began = time.monotonic()
        try:
            features = jobs[0].who.encode([row for job in jobs for row in job.rows])
        except Exception as error:  # whatever a row can do to a task
            if len(jobs) > 1:
                for job in jobs:
                    self._encode([job])
                return
            self._end(jobs[0], refusal(error))
            self._forget(jobs)
            return
        at, first, took = 0, 0, time.monotonic() - began
        for job in jobs:
            last = first + len(job.rows)
            begin = at
            while at < len(features) and features[at]["row"] < last:
                at += 1
            job.features, first, job.tokenised = features[begin:at], last, took
            job.tokens = sum(len(feature["input_ids"]) for feature in job.features)
            job.cost = sum(map(cost_of, job.features))
            job.arrays, job.left = [None] * len(job.features), len(job.features)
            self._checked(job)
        self._forget(job for job in jobs if job.ended)
        with self._ready:
            for job in (one for one in jobs if not one.ended):
                self._waiting += job.cost - job.guess
                queue = self._low if job.low else self._live
                for piece in pieces_of(job, self.limits.rows, self.limits.tokens):
                    queue.put(job.key, piece, piece.tokens, piece.end - piece.begin)
            self._ready.notify()

    def _checked(self, job: Job) -> None:
        try:
            if job.check is not None:
                job.check(job.features)
        except Refused as why:
            self._end(job, why)

    def _forget(self, jobs: Iterable[Job]) -> None:
        """They end before they were tokenised, and wait no more."""
        with self._ready:
            self._waiting -= sum(job.guess for job in jobs)

    def _compute(self) -> None:
        while True:
            with self._ready:
                while not (self._live or self._low or self._all_tokenised):
                    self._ready.wait()
                if not (self._live or self._low):
                    return
                queue = self._live if self._live else self._low
                taken = queue.take(self.limits.tokens, self.limits.rows)
                full = bool(queue)
                self._waiting -= sum(piece.tokens for piece in taken)
            now = time.monotonic()
            pieces = [piece for piece in taken if not self._dropped(piece.job, now + self._took)]
            if pieces:
                self._answer(pieces, now, full)

    def _answer(self, pieces: list[Piece], began: float, full: bool) -> None:
        tokens = self._computing = sum(piece.tokens for piece in pieces)
        together = sum(piece.end - piece.begin for piece in pieces)
        for piece in pieces:
            piece.job.began = piece.job.began or began
            piece.job.together = max(piece.job.together, together)
        try:
            with self._turn:
                arrays = self.predictor.infer([f for one in pieces for f in one.job.features[one.begin : one.end]])
        except Exception as error:
            why = refusal(error)
            for piece in pieces:
                self._end(piece.job, why)
            return
        finally:
            self._computing = 0
        now = time.monotonic()
        took = max(now - began, 1e-6)
        if full:  # a batch of one request tells nothing of how quick many are
            self._rate = smoothed(self._rate, tokens / took)
            self._took = smoothed(self._took, took)
        at, whole = 0, []
        for piece in pieces:
            count = piece.end - piece.begin
            piece.job.arrays[piece.begin : piece.end] = arrays[at : at + count]
            piece.job.left, at = piece.job.left - count, at + count
            if not piece.job.left and not piece.job.ended:
                piece.job.ended = True
                whole.append(piece.job)
        settle([(job, self._decoded(job, now)) for job in whole])

    def _decoded(self, job: Job, now: float) -> Outcome:
        try:
            predictions = job.who.decode(job.arrays, job.features)
        except Exception as error:
            return refusal(error)
        return Computed(
            predictions,
            job.tokens,
            job.began - job.arrived,
            now - job.began,
            written_in(job.who.task, predictions),
            job.tokenised,
            job.together,
            job.features,
        )

    def _dropped(self, job: Job, then: float) -> bool:
        """Whether nobody waits for it any more; then it ends here."""
        if not job.ended and job.late(then):
            self._end(job, too_late())
        return job.ended

    def _end(self, job: Job, why: Refused) -> None:
        if not job.ended:
            job.ended = True
            settle([(job, why)])
