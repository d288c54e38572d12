"""The loops of a load: N clients that ask one after the other, or requests at a rate; and what came of them."""

from __future__ import annotations

import argparse
import asyncio
import csv
import time
from array import array
from collections import defaultdict, deque
from collections.abc import Coroutine, Sequence
from typing import Any

from figures import arrivals, spread, summary
from wire import Answer, Connection, Target, connect, request

FINAL = frozenset((400, 401, 403, 404, 405, 413, 415, 422))
"""Asking again would not help."""
PAUSE = 0.05
"""Seconds before a request is sent again, and before a connection is tried again."""


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
        self.times: dict[str, array[float]] = defaultdict(lambda: array("d"))
        self.by_key: dict[int, int] = defaultdict(int)
        self.lags = array("d")
        self.sent = self.retries = self.unacknowledged = 0
        self.count_from, self.count_to = float("inf"), float("inf")
        self.idle: list[Connection] = []
        self.all: list[Connection] = []
        self.queue: deque[asyncio.Future[Connection | None]] = deque()
        self.timed_out: set[Connection] = set()
        self.sample: Answer | None = None
        self.acknowledged = given.acknowledged.open("a", encoding="utf-8") if given.acknowledged else None
        self.each: list[tuple[float, float, str]] | None = [] if given.each else None

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

    def note(self, status: str, began: float, key: int) -> None:
        """An answer has come, or none will: counted if it is within the window."""
        now = time.perf_counter()
        mark = began if self.given.rate else now
        if not self.count_from <= mark < self.count_to:
            return
        self.times[status].append(1e3 * (now - began))
        if status == "200":
            self.by_key[key] += 1
        if self.each is not None:
            self.each.append((began - self.count_from, 1e3 * (now - began), status))

    async def send(self, connection: Connection, data: bytes, key: int, name: str, began: float) -> Connection:
        """Send until there is an answer (once, without ``--retry``); the connection that stands then."""
        give_up = float("inf")
        while True:
            answer = await connection.ask(data)
            if answer is not None:
                self.note(str(answer.status), began, key)
            elif connection in self.timed_out:
                self.note("timeout", began, key)
            else:
                self.note("no connection" if connection.never_stood else "broken", began, key)
            if answer is not None and (answer.status == 200 or self.sample is None):
                self.sample = answer
            if name and answer is not None and answer.status == 200 and self.acknowledged is not None:
                self.acknowledged.write(f"{key} {name}\n")
            if not connection.open:
                self.forget(connection)
            if not name or (answer is not None and (answer.status == 200 or answer.status in FINAL)):
                return connection
            if time.perf_counter() > self.count_to and give_up == float("inf"):
                give_up = time.perf_counter() + self.given.drain
            if time.perf_counter() > give_up:
                self.unacknowledged += 1
                return connection
            self.retries += 1
            await asyncio.sleep(PAUSE)
            if not connection.open:
                connection = await self.connection()
            began = time.perf_counter()

    def forget(self, connection: Connection) -> None:
        """A connection that is of no use any more."""
        self.timed_out.discard(connection)
        if connection in self.all:
            self.all.remove(connection)

    async def connection(self) -> Connection:
        """A new connection; one that is not open where nobody is there."""
        try:
            made = await connect(self.target)
        except OSError:
            return Connection()
        self.all.append(made)
        return made

    async def closed(self) -> None:
        """N clients that ask, wait for the answer, and ask again."""
        await asyncio.gather(*(self._client() for _ in range(self.given.clients)))

    async def _client(self) -> None:
        connection = await self.connection()
        while time.perf_counter() < self.count_to:
            if not connection.open:
                connection = await self.connection()
            data, key, name = self.next()
            connection = await self.send(connection, data, key, name, time.perf_counter())
            if not connection.open:
                await asyncio.sleep(PAUSE)

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
        connection = self.idle.pop() if self.idle else None
        if connection is None and len(self.all) < self.given.connections:
            connection = await self.connection()
        elif connection is None:
            place = asyncio.get_running_loop().create_future()
            self.queue.append(place)
            connection = await place
        connection = connection or await self.connection()
        data, key, name = self.next()
        self.lags.append(1e3 * (time.perf_counter() - due))
        connection = await self.send(connection, data, key, name, due)
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
        start = self.count_from = time.perf_counter()
        if given.rate:
            self.count_to = start + given.seconds
            return
        await asyncio.sleep(given.seconds)
        while (
            sum(map(len, self.times.values())) < given.least
            and time.perf_counter() - start < given.most * given.seconds
        ):
            await asyncio.sleep(0.1)
        self.count_to = time.perf_counter()

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
        given, found = self.given, summary(self.times, self.count_to - self.count_from)
        if self.each is not None:
            with given.each.open("w", encoding="utf-8", newline="") as file:
                csv.writer(file).writerows([("at", "ms", "status"), *self.each])
        loop = {"rate": given.rate, "lag_ms": spread(self.lags)} if given.rate else {"clients": given.clients}
        own = {"cpu_seconds": round(used, 3), "us_per_request": round(1e6 * used / max(1, self.sent + self.retries), 1)}
        sample = None if self.sample is None else self.sample.body[:400].decode("utf-8", "replace")
        keys = {"by_key": [self.by_key[number] for number in range(len(self.keys))]} if len(self.keys) > 1 else {}
        retried = {"retries": self.retries, "unacknowledged": self.unacknowledged} if given.retry else {}
        return {"load": loop, **found, "sent": self.sent, **retried, **keys, "own": own, "sample": sample}
