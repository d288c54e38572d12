from __future__ import annotations

import asyncio
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from tunesmith.bundle.predictor import Predictor
from tunesmith.service.engine import Engine
from tunesmith.service.problems import Refused
from tunesmith.service.settings import Batching


@pytest.fixture
def engine(task: Any) -> Iterator[Engine]:
    made = engine_of(task)
    yield made
    task.gate.set()
    made.close()


def engine_of(task: Any, **limits: Any) -> Engine:
    runtime: Any = SimpleNamespace(name="stub")
    return Engine(Predictor(task, None, runtime, max_length=64), Batching(**limits))


def rows(*texts: str) -> list[dict[str, str]]:
    return [{"text": text} for text in texts]


async def labels(engine: Engine, *texts: str, key: str = "a", **more: Any) -> list[str]:
    return [one["label"] for one in (await engine.submit(rows(*texts), key, **more)).predictions]


async def held(task: Any, engine: Engine) -> asyncio.Task[list[str]]:
    """A request that is being computed until the gate opens."""
    task.gate.clear()
    first = asyncio.ensure_future(labels(engine, "held"))
    await asyncio.to_thread(task.entered.wait, 5)
    return first


def test_each_gets_its_own_answers_whatever_it_was_batched_with(engine: Engine) -> None:
    async def many() -> list[list[str]]:
        asked = [labels(engine, "a" * n, "b" * (2 * n), key=str(n % 3)) for n in range(1, 60)]
        return list(await asyncio.gather(*asked))

    assert asyncio.run(many()) == [[str(n), str(2 * n)] for n in range(1, 60)]


def test_what_waits_is_computed_together(task: Any, engine: Engine) -> None:
    async def work() -> None:
        first = await held(task, engine)
        others = [asyncio.ensure_future(labels(engine, "abc")) for _ in range(20)]
        await asyncio.sleep(0.2)
        task.gate.set()
        await asyncio.gather(first, *others)

    asyncio.run(work())
    assert task.batches[1] == [3] * 20


def test_a_broken_row_fails_alone(task: Any, engine: Engine) -> None:
    async def work() -> tuple[Any, ...]:
        first = await held(task, engine)
        others = [labels(engine, "fine"), labels(engine, "broken"), labels(engine, "bug"), labels(engine, "too")]
        waiting = asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0.1)
        task.gate.set()
        await first
        return tuple(await waiting)

    fine, broken, bug, too = asyncio.run(work())
    assert (fine, too) == (["4"], ["3"])
    assert broken.status == 422 and "broken" in broken.message
    assert bug.status == 500 and "secret" not in bug.message
    assert engine.waiting == 0


def test_who_went_away_is_not_computed(task: Any, engine: Engine) -> None:
    async def work() -> None:
        first = await held(task, engine)
        gone = asyncio.ensure_future(labels(engine, "gone!"))
        stays = asyncio.ensure_future(labels(engine, "stays!!"))
        await asyncio.sleep(0.1)
        gone.cancel()
        await asyncio.sleep(0.05)
        task.gate.set()
        assert await stays == ["7"]
        await first

    asyncio.run(work())
    assert task.batches == [[4], [7]] and engine.waiting == 0


def test_what_is_too_late_is_not_computed(task: Any, engine: Engine) -> None:
    async def work() -> Refused:
        first = await held(task, engine)
        late = asyncio.ensure_future(labels(engine, "late", deadline=0.1))
        await asyncio.sleep(0.3)
        task.gate.set()
        await first
        with pytest.raises(Refused) as refused:
            await late
        return refused.value

    refused = asyncio.run(work())
    assert (refused.status, refused.code) == (503, "too_late") and task.batches == [[4]]


def test_more_than_can_be_done_in_time_is_refused_at_once(task: Any) -> None:
    task.pause = 0.05
    engine = engine_of(task, rows=2, deadline=1.0)

    async def work() -> list[Any]:
        await labels(engine, "alone")
        await asyncio.gather(*(labels(engine, "a" * 8) for _ in range(8)))  # from here on it knows how quick it is
        asked = [labels(engine, "a" * 8) for _ in range(300)]
        return await asyncio.gather(*asked, return_exceptions=True)

    found = asyncio.run(work())
    refused = [one for one in found if isinstance(one, Refused)]
    assert {one.code for one in refused} == {"overloaded"} and all(one.headers()["retry-after"] for one in refused)
    assert 10 <= len(found) - len(refused) <= 50  # about 0.8 s of work, 2 in each 0.05 s
    engine.close()


def test_memory_is_bounded_before_the_speed_is_known(task: Any) -> None:
    engine = engine_of(task, waiting=100)

    async def work() -> None:
        first = await held(task, engine)
        kept = [asyncio.ensure_future(labels(engine, "a" * 60)) for _ in range(3)]
        await asyncio.sleep(0.1)
        with pytest.raises(Refused, match="more to do"):
            await labels(engine, "one more")
        task.gate.set()
        await asyncio.gather(first, *kept)

    asyncio.run(work())
    engine.close()


def test_low_goes_after_all_others(task: Any, engine: Engine) -> None:
    async def work() -> None:
        first = await held(task, engine)
        low = asyncio.ensure_future(labels(engine, "low low", low=True))
        await asyncio.sleep(0.05)
        live = asyncio.ensure_future(labels(engine, "live"))
        await asyncio.sleep(0.05)
        task.gate.set()
        await asyncio.gather(first, low, live)

    asyncio.run(work())
    assert task.batches == [[4], [4], [7]]


def test_closing_answers_what_was_asked(task: Any, engine: Engine) -> None:
    async def work() -> None:
        first = await held(task, engine)
        waiting = asyncio.ensure_future(labels(engine, "waits"))
        await asyncio.sleep(0.05)
        closing = asyncio.ensure_future(asyncio.to_thread(engine.close))
        await asyncio.sleep(0.05)
        with pytest.raises(Refused) as refused:
            await labels(engine, "new")
        assert refused.value.code == "unloading"
        task.gate.set()
        assert (await first, await waiting) == (["4"], ["5"])
        await closing

    asyncio.run(work())


def test_a_large_request_is_computed_in_pieces_and_others_come_in_between(task: Any) -> None:
    engine = engine_of(task, rows=4)

    async def work() -> None:
        first = await held(task, engine)
        large = asyncio.ensure_future(labels(engine, *("a" * (1 + n % 7) for n in range(40)), key="large"))
        await asyncio.sleep(0.05)
        small = asyncio.ensure_future(labels(engine, "small!!", key="small"))
        await asyncio.sleep(0.05)
        task.gate.set()
        assert await small == ["7"]
        assert not large.done()
        assert await large == [str(1 + n % 7) for n in range(40)]
        await first

    asyncio.run(work())
    assert all(len(batch) <= 5 for batch in task.batches) and engine.waiting == 0
    engine.close()


def test_a_large_request_that_was_left_is_not_computed_on(task: Any) -> None:
    engine = engine_of(task, rows=2)

    async def work() -> None:
        first = await held(task, engine)
        large = asyncio.ensure_future(labels(engine, *["abc"] * 40))
        await asyncio.sleep(0.05)
        task.pause = 0.05
        task.gate.set()
        await first
        await asyncio.sleep(0.12)
        large.cancel()
        assert await labels(engine, "then") == ["4"]

    asyncio.run(work())
    assert len(task.batches) < 10 and engine.waiting == 0
    engine.close()
