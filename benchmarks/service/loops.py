"""The loops of a load: N clients that ask one after the other, or requests at a rate; and what came of them."""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from collections import deque
from collections.abc import Coroutine, Sequence
from typing import Any

from figures import GOOD, REFUSED, arrivals
from tally import Tally
from wire import Answer, Connection, Target, connect, request

FINAL = frozenset(("400", "401", "403", "404", "405", "413", "415", "422"))
"""Asking again would not help."""
PAUSE = 0.05
"""Seconds before a request is sent again, and before a connection is tried again."""
LONGEST = 1.0
"""Seconds that a client waits at most before it comes again, whatever Retry-After says."""


def retry_after(answer: Answer) -> float:
    """Seconds that a refusal asks a client to wait, cut to the longest pause."""
    try:
        return min(LONGEST, max(0.0, float(answer.header("retry-after") or 0)))
    except ValueError:
        return 0.0


class Load:
    """One load: what is asked, and what came of it.

    Args:
        given: the options of ``load.py``.
        bodies: what is asked, in turns.
        keys: who asks, in turns; none: nobody says who it is.
    """

    def __init__(self, given: argparse.Namespace, bodies: Sequence[bytes], keys: Sequence[str]) -> None:
        self.given = given
        self.target = Target.of(given.url)
        self.keys = keys or [""]
        self.bodies = bodies
        self.ready = [request(self.target, body, self._headers(0)) for body in self.bodies]
        self.tally = Tally(given.each)
        self.drawn = random.Random(given.seed)
        self.sent = self.retries = self.unacknowledged = 0
        self.idle: list[Connection] = []
        self.all: set[Connection] = set()
        self.queue: deque[asyncio.Future[Connection | None]] = deque()
        self.timed_out: set[Connection] = set()
        self.acknowledged = given.acknowledged.open("a", encoding="utf-8") if given.acknowledged else None

    def _headers(self, key: int, name: str = "") -> tuple[tuple[str, str], ...]:
        found = [("Authorization", f"Bearer {self.keys[key]}")] if self.keys[key] else []
        return (*found, ("Idempotency-Key", name)) if name else tuple(found)

    def next(self) -> tuple[bytes, int, str]:
        """The next request, the number of its key, its id ("" where none is asked for)."""
        number, self.sent = self.sent, self.sent + 1
        text, key = number % len(self.bodies), number % len(self.keys)
        if not self.given.retry and len(self.keys) == 1:
            return self.ready[text], key, ""
        name = f"{self.given.prefix}-{number}" if self.given.retry else ""
        return request(self.target, self.bodies[text], self._headers(key, name)), key, name

    async def once(self, connection: Connection, data: bytes, key: int, due: float | None = None) -> tuple[str, float]:
        """Ask once: the status, and the seconds that the server asks us to wait."""
        sent = time.perf_counter()
        answer = await connection.ask(data)
        status = self._fate(connection) if answer is None else str(answer.status)
        self.tally.note(status, answer, key=key, due=due, sent=sent, now=time.perf_counter())
        if not connection.open:
            self.all.discard(connection)
        return status, 0.0 if answer is None or status not in REFUSED else retry_after(answer)

    def _fate(self, connection: Connection) -> str:
        """Why there was no answer."""
        if connection in self.timed_out:
            self.timed_out.discard(connection)
            return "timeout"
        return "no connection" if connection.never_stood else "broken"

    async def until_answered(self, connection: Connection) -> Connection:
        """Ask under an id, and again under the same one, until there is an answer; the connection that stands then."""
        data, key, name = self.next()
        while True:
            if self.drawn.random() < self.given.breaks:  # perhaps before it is computed, perhaps after
                asyncio.get_running_loop().call_later(self.drawn.uniform(0, 0.1), connection.abort)
            status, wait = await self.once(connection, data, key)
            if status == GOOD and self.acknowledged is not None:
                self.acknowledged.write(f"{key} {name}\n")
            if status == GOOD or status in FINAL:
                return connection
            if time.perf_counter() > self.tally.ends + self.given.drain:
                self.unacknowledged += 1
                return connection
            self.retries += 1
            await asyncio.sleep(max(PAUSE, wait))
            if not connection.open:
                connection = await self.connection()

    async def connection(self) -> Connection:
        """A new connection; one that is not open where nobody is there."""
        try:
            made = await connect(self.target)
        except OSError:
            return Connection()
        self.all = {one for one in self.all if one.open} if len(self.all) >= self.given.connections else self.all
        self.all.add(made)
        return made

    async def closed(self) -> None:
        """N clients that ask, wait for the answer, and ask again."""
        await asyncio.gather(*(self._client() for _ in range(self.given.clients)))

    async def _client(self) -> None:
        connection = await self.connection()
        while time.perf_counter() < self.tally.ends:
            if not connection.open:
                connection = await self.connection()
            if self.given.retry:
                connection = await self.until_answered(connection)
                continue
            data, key, _ = self.next()
            _, wait = await self.once(connection, data, key)
            if wait or not connection.open:
                await asyncio.sleep(wait or PAUSE)

    async def paced(self, seconds: float) -> None:
        """Requests when they are due, whatever became of those before."""
        start, running = time.perf_counter(), set()
        for due in arrivals(self.given.rate, seconds, poisson=not self.given.even, seed=self.given.seed):
            while (wait := start + due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            task = asyncio.create_task(self._one(start + due))
            running.add(task)
            task.add_done_callback(running.discard)
        await asyncio.gather(*running)

    async def _one(self, due: float) -> None:
        while self.idle and not self.idle[-1].open:  # the server has closed it, as servers do with what is idle
            self.idle.pop()
        connection = self.idle.pop() if self.idle else None
        if connection is None and len(self.all) < self.given.connections:
            connection = await self.connection()
        elif connection is None:
            place = asyncio.get_running_loop().create_future()
            self.queue.append(place)
            connection = await place
        connection = connection or await self.connection()
        data, key, _ = self.next()
        await self.once(connection, data, key, due)
        left = connection if connection.open else None
        if self.queue:
            self.queue.popleft().set_result(left)
        elif left is not None:
            self.idle.append(left)

    async def watch(self) -> None:
        """Break connections that have waited too long for an answer."""
        while True:
            await asyncio.sleep(min(1.0, self.given.timeout / 4))
            now = time.perf_counter()
            for connection in list(self.all):
                if connection.asked_at and now - connection.asked_at > self.given.timeout:
                    self.timed_out.add(connection)
                    connection.abort()

    async def window(self) -> None:
        """Count from the end of the warm-up until there is enough to count."""
        given = self.given
        await asyncio.sleep(given.warmup)
        start = self.tally.begins = time.perf_counter()
        if given.rate:
            self.tally.ends = start + given.seconds
            return
        while given.until is not None and not given.until.exists():
            await asyncio.sleep(0.1)
        await asyncio.sleep(given.seconds)
        while self.tally.count < given.least and time.perf_counter() - start < given.most * given.seconds:
            await asyncio.sleep(0.1)
        self.tally.ends = time.perf_counter()

    async def run(self) -> dict[str, Any]:
        """All of it."""
        watch = asyncio.create_task(self.watch())
        used = time.process_time()
        asking: Coroutine[Any, Any, None] = (
            self.paced(self.given.warmup + self.given.seconds) if self.given.rate else self.closed()
        )
        await asyncio.gather(self.window(), asking)
        used = time.process_time() - used
        watch.cancel()
        for connection in list(self.all):
            connection.abort()
        if self.acknowledged is not None:
            self.acknowledged.close()
        return self.told(used)

    def told(self, used: float) -> dict[str, Any]:
        """What is printed."""
        given = self.given
        loop = {"rate": given.rate} if given.rate else {"clients": given.clients}
        own = {"cpu_seconds": round(used, 3), "us_per_request": round(1e6 * used / max(1, self.sent + self.retries), 1)}
        retried = {"retries": self.retries, "unacknowledged": self.unacknowledged} if given.retry else {}
        return {"load": loop, **self.tally.told(len(self.keys)), "sent": self.sent, **retried, "own": own}
