"""What keys, plans and metering cost a request, and how fast usage is settled. No model, no HTTP.

python benchmarks/service/money.py
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from itertools import count, cycle
from pathlib import Path
from statistics import median, quantiles

sys.path.insert(0, str(Path(__file__).parents[1]))

import harness

from tunesmith.service.auth import KeyRing
from tunesmith.service.caller import Caller
from tunesmith.service.metering.event import Event
from tunesmith.service.metering.meter import Meter
from tunesmith.service.metering.tick import TickMeter
from tunesmith.service.quotas import Quotas
from tunesmith.service.settings import Plan
from tunesmith.service.store.migrate import open_store
from tunesmith.testing import servers

PLAN = Plan.model_validate({"requests": {"minute": 10**9, "day": 10**9, "month": 10**9}, "tokens": {"month": 10**9}})
KEYS, EVENTS = 1000, 20_000


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


def event(number: int, own: bool = False) -> Event:
    return Event(f"{'client' if own else 'req'}_{number}", f"key-{number % KEYS}", "product", "1", rows=1, tokens=30)


def spread(seconds: list[float]) -> dict[str, float]:
    """Median and 99th percentile in microseconds."""
    return {"median": median(seconds) * 1e6, "p99": quantiles(seconds, n=100)[98] * 1e6}


async def timed(call: Callable[[], Awaitable[object]], times: int) -> dict[str, float]:
    found = []
    for _ in range(times):
        began = time.perf_counter()
        await call()
        found.append(time.perf_counter() - began)
    return spread(found)


def finding() -> dict[str, float]:
    with folder() as place:
        ring = KeyRing(open_store(f"sqlite:///{place}/store.db"))
        headers = [f"Bearer {ring.make(f'key {number}').text}" for number in range(KEYS)]
        found = []
        for header in headers * 5:
            began = time.perf_counter()
            ring.find(header)
            found.append(time.perf_counter() - began)
        ring.close()
    return spread(found)


async def admitting(uri: str) -> dict[str, float]:
    quotas = Quotas({"plan": PLAN}, uri)
    callers = cycle([Caller(f"key-{number}", plan="plan") for number in range(KEYS)])
    return await timed(lambda: quotas.admit(next(callers), "product"), 5000)


async def noting(place: Path, url: str, fsync: bool, at_once: int) -> dict[str, float]:
    """Of one event, where so many are noted in a tick."""
    meter = TickMeter(Meter(open_store(url), place / f"wal-{fsync}-{at_once}", fsync=fsync))
    numbers = count()

    async def some() -> None:
        await asyncio.gather(*(meter.note(event(next(numbers))) for _ in range(at_once)))

    found = await timed(some, 2000 // at_once)
    meter.close()
    return {name: value / at_once for name, value in found.items()}


def settling(url: str, own: bool) -> float:
    """Events a second that a thread can count."""
    with folder() as place:
        meter = Meter(open_store(url), place, every=3600)
        for first in range(0, EVENTS, 100):
            meter.write([event(number, own) for number in range(first, first + 100)])
        began = time.perf_counter()
        meter.settle()
        seconds = time.perf_counter() - began
        meter.close()
    return EVENTS / seconds


def measured() -> tuple[dict[str, dict[str, float]], dict[str, float]]:
    """Microseconds of a request's share, and events a second."""
    shares = {"find a key": finding(), "a plan's four counters, in memory": asyncio.run(admitting("memory://"))}
    with servers.redis() as redis:
        shares["a plan's four counters, in Redis"] = asyncio.run(admitting(redis))
    rates = {}
    with folder() as place, servers.postgresql() as postgresql:
        sqlite = f"sqlite:///{place}/store.db"
        for fsync in (False, True):
            for at_once in (1, 64):
                name = f"write an event{', with fsync' * fsync}, {at_once} at once"
                shares[name] = asyncio.run(noting(place, sqlite, fsync, at_once))
        for name, url in (("SQLite", sqlite), ("PostgreSQL", postgresql)):
            rates[f"{name}, ids of ours"] = settling(url, own=False)
            rates[f"{name}, clients' own ids"] = settling(url, own=True)
    return shares, rates


def main() -> None:
    given = harness.parser(__doc__).parse_args()
    busy = harness.busy_cores()
    shares, rates = measured()
    run = {**harness.context(), "others": busy, "shares": shares, "settled": rates}
    rows = [[name, f"{one['median']:.1f}", f"{one['p99']:.1f}"] for name, one in shares.items()]
    lines = [
        *harness.context_lines(run),
        *harness.busy_note([run]),
        "",
        f"{KEYS:,} keys. Redis and PostgreSQL on unix sockets of the same machine.",
        "",
        *harness.table(["a request's share, in microseconds", "median", "p99"], rows),
        "",
        *harness.table(["settled", "events a second"], [[name, f"{rate:,.0f}"] for name, rate in rates.items()]),
    ]
    harness.write(given.results or harness.HERE / "results", "service_money", "Keys, plans, metering", lines, run)


if __name__ == "__main__":
    main()
