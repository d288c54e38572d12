from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from tunesmith.service.metering.event import Event
from tunesmith.service.metering.tick import TickMeter
from tunesmith.service.problems import Refused


class Writes:
    def __init__(self, fsync: bool = False) -> None:
        self.fsync = fsync
        self.batches: list[list[str]] = []
        self.threads: set[int] = set()
        self.full = False

    def write(self, events: Sequence[Event]) -> None:
        if self.full:
            raise OSError(28, "No space left on device")
        self.threads.add(threading.get_ident())
        self.batches.append([event.request_id for event in events])

    def close(self) -> None:
        self.batches.append(["closed"])


def event(number: int) -> Event:
    return Event(f"req_{number}", "k", "p", "1", rows=1, tokens=1)


def test_one_write_for_a_tick() -> None:
    writes = Writes()

    async def main() -> None:
        meter = TickMeter(writes)
        await asyncio.gather(*(meter.note(event(number)) for number in range(10)))
        await meter.note(event(10))

    asyncio.run(main())
    assert [len(batch) for batch in writes.batches] == [10, 1]
    assert writes.threads == {threading.get_ident()}


def test_fsync_is_waited_for_by_a_thread_and_gathers() -> None:
    writes = Writes(fsync=True)

    async def main() -> None:
        meter = TickMeter(writes)
        await asyncio.gather(*(meter.note(event(number)) for number in range(10)))
        await meter.note(event(10))

    asyncio.run(main())
    assert sum(map(len, writes.batches)) == 11 and len(writes.batches) <= 3
    assert threading.get_ident() not in writes.threads


@pytest.mark.parametrize("fsync", [False, True])
def test_no_answer_where_nothing_can_be_written(fsync: bool) -> None:
    writes = Writes(fsync)
    writes.full = True

    async def main() -> None:
        meter = TickMeter(writes)
        told = await asyncio.gather(*(meter.note(event(number)) for number in range(3)), return_exceptions=True)
        assert [(one.status, one.code) for one in told if isinstance(one, Refused)] == [
            (503, "metering_unavailable")
        ] * 3
        writes.full = False
        await meter.note(event(3))

    asyncio.run(main())
    assert writes.batches == [["req_3"]]


@pytest.mark.parametrize("fsync", [False, True])
def test_who_leaves_is_counted_and_takes_nobody_along(fsync: bool) -> None:
    writes = Writes(fsync)

    async def main() -> None:
        meter = TickMeter(writes)
        leaves, stays = (asyncio.ensure_future(meter.note(event(number))) for number in range(2))
        await asyncio.sleep(0)
        leaves.cancel()
        await stays
        with pytest.raises(asyncio.CancelledError):
            await leaves

    asyncio.run(main())
    assert sorted(id for batch in writes.batches for id in batch) == ["req_0", "req_1"]


def test_close() -> None:
    writes = Writes()
    TickMeter(writes).close()
    assert writes.batches == [["closed"]]
