"""Turns between keys, deadlines, clients that hang up, failures."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from tunesmith.core.contracts import Decoding
from tunesmith.service.problems import Refused
from tunesmith.service.settings import Batching
from tunesmith.service.writing.stream import Stream
from tunesmith.service.writing.writer import Writer

ROWS = [{"messages": [{"role": "user", "content": "How is the room?"}]}]


@pytest.fixture
def writer(talker: Any, parrot: Any) -> Iterator[Writer]:
    made = Writer(talker.predictor(), parrot, Batching())
    yield made
    parrot.gate.set()
    made.close()


async def begun(writer: Writer, key: str = "a", tokens: int = 50, **more: Any) -> Stream:
    return await writer.write(lambda: writer.predictor.encode(ROWS), 10, [Decoding(max_new_tokens=tokens)], key, **more)


async def read(stream: Stream) -> str:
    return "".join([part.text async for part in stream])


async def until(true: Any) -> None:
    for _ in range(500):
        if true():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never was so")


def test_texts_of_many_are_written_together(writer: Writer, parrot: Any) -> None:
    async def work() -> list[str]:
        parrot.gate.clear()
        streams = [await begun(writer, key) for key in "abcdef"]
        parrot.gate.set()
        return list(await asyncio.gather(*map(read, streams)))

    assert asyncio.run(work()) == ["It is good."] * 6
    assert parrot.most == 4 and writer.waiting == 0


def test_a_text_that_cannot_be_begun_ends_no_other(
    writer: Writer, parrot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = parrot.add

    def picky(prompt: list[int], decoding: Decoding) -> Any:
        if decoding.max_new_tokens == 49:
            raise ValueError("a secret of ours")
        return add(prompt, decoding)

    monkeypatch.setattr(parrot, "add", picky)

    async def work() -> list[Any]:
        parrot.gate.clear()
        streams = [await begun(writer, "a")]
        await until(lambda: len(parrot) == 1)
        streams += [await begun(writer, key, tokens) for key, tokens in (("b", 50), ("c", 49), ("d", 50))]
        parrot.gate.set()
        found = await asyncio.gather(*map(read, streams), return_exceptions=True)
        return [*found, await read(await begun(writer, "c"))]

    *told, later = asyncio.run(work())
    assert [told[i] for i in (0, 1, 3)] == ["It is good."] * 3 and later == "It is good."
    assert isinstance(told[2], Refused) and "secret" not in str(told[2])
    assert writer._desk.turns.held.total() == 0, "it gave its place back"


def test_one_place_is_left_for_a_key_that_has_none(writer: Writer, parrot: Any) -> None:
    async def work() -> None:
        parrot.gate.clear()
        many = [await begun(writer, "a")]
        await until(lambda: len(parrot) == 1)  # it stands at the gate
        many += [await begun(writer, "a") for _ in range(8)]
        parrot.steps = 1
        parrot.gate.set()
        await until(lambda: len(parrot) == 3)  # and stands there again
        other = await begun(writer, "b", tokens=49)
        parrot.gate.set()
        await asyncio.gather(*map(read, [*many, other]))

    asyncio.run(work())
    assert [decoding.max_new_tokens for _, decoding in parrot.asked][:5] == [50, 50, 50, 49, 50]
    assert parrot.most == 4


def test_what_is_low_comes_last_and_leaves_a_place(writer: Writer, parrot: Any) -> None:
    async def work() -> list[str]:
        parrot.gate.clear()
        order: list[str] = []

        async def noted(stream: Stream, name: str) -> None:
            await read(stream)
            order.append(name)

        low = [await begun(writer, f"job{i}", low=True) for i in range(6)]
        live = [await begun(writer, f"live{i}") for i in range(3)]
        parrot.gate.set()
        await asyncio.gather(*(noted(s, "low") for s in low), *(noted(s, "live") for s in live))
        return order

    order = asyncio.run(work())
    assert order.index("low", 3) > max(i for i, name in enumerate(order) if name == "live") - 3
    assert order[-3:] == ["low"] * 3


def test_whoever_hangs_up_gives_its_place_away(writer: Writer, parrot: Any) -> None:
    parrot.says = "word " * 400
    parrot.pause = 0.01

    async def work() -> None:
        streams = [await begun(writer, key, tokens=300) for key in "abcd"]
        await until(lambda: len(parrot) == 4)
        for stream in streams[:3]:
            async for _ in stream:
                break
            stream.cancel()
        await until(lambda: len(parrot) == 1)
        asked = asyncio.ensure_future(writer.submit(ROWS, "e"))
        await until(lambda: len(parrot) == 2)
        asked.cancel()  # a whole answer that nobody waits for
        await until(lambda: len(parrot) == 1)
        streams[3].cancel()

    asyncio.run(work())


def test_what_waits_too_long_is_refused_in_time(writer: Writer, parrot: Any) -> None:
    async def work() -> Refused:
        parrot.gate.clear()
        running = [await begun(writer, key) for key in "abcd"]
        late = await begun(writer, "e", deadline=0.1)
        with pytest.raises(Refused) as why:
            await read(late)
        parrot.gate.set()
        await asyncio.gather(*map(read, running))
        return why.value

    why = asyncio.run(work())
    assert (why.status, why.code) == (503, "too_late") and len(parrot.asked) == 4


def test_overload_is_told_before_anything_is_done(talker: Any, parrot: Any) -> None:
    writer = Writer(talker.predictor(), parrot, Batching(deadline=0.3))
    parrot.says, parrot.pause = "word " * 30, 0.02

    async def work() -> Refused:
        first = [asyncio.ensure_future(read(await begun(writer, key, deadline=9))) for key in "abcdefgh"]
        await asyncio.gather(*first)
        more = [asyncio.ensure_future(read(await begun(writer, key, deadline=9))) for key in "abcdefgh"]
        await until(lambda: len(parrot) == 4)
        with pytest.raises(Refused) as why:
            await begun(writer, "i")
        await asyncio.gather(*more)
        return why.value

    why = asyncio.run(work())
    writer.close()
    assert why.code == "overloaded" and why.retry_after and why.retry_after > 0


def test_a_failure_ends_what_is_written_and_nothing_else(writer: Writer, parrot: Any) -> None:
    async def work() -> tuple[Refused, str]:
        parrot.fails = True
        with pytest.raises(Refused) as why:
            await read(await begun(writer))
        parrot.fails = False
        return why.value, await read(await begun(writer))

    why, after = asyncio.run(work())
    assert (why.status, after) == (500, "It is good.") and "secret" not in why.message


def test_closing_writes_what_was_asked(writer: Writer, parrot: Any) -> None:
    parrot.pause = 0.005

    async def work() -> list[str]:
        streams = [await begun(writer, key) for key in "abcdefgh"]
        texts = asyncio.gather(*map(read, streams))
        await asyncio.to_thread(writer.close)
        with pytest.raises(Refused, match="taken away"):
            await begun(writer)
        return list(await texts)

    assert asyncio.run(work()) == ["It is good."] * 8


def test_closing_does_not_wait_for_ever(writer: Writer, parrot: Any) -> None:
    parrot.says, parrot.pause = "word " * 40, 0.05

    async def work() -> Refused:
        stream = await begun(writer)
        reading = asyncio.ensure_future(read(stream))
        await until(lambda: stream.written)
        await asyncio.to_thread(writer.close, 0.2)
        with pytest.raises(Refused) as why:
            await reading
        return why.value

    assert asyncio.run(work()).code == "unloading"


def test_a_policy_may_limit_tokens(writer: Writer) -> None:
    def check(features: Any) -> None:
        raise Refused(413, "too_large", f"{len(features[0]['input_ids'])} tokens")

    with pytest.raises(Refused, match="tokens"):
        asyncio.run(writer.submit(ROWS, "a", check=check))
    assert writer.waiting == 0
