"""The official client, unchanged, against a server on a port: streaming and not, sync and async, hanging up."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tunesmith.service.services import Services

openai = pytest.importorskip("openai")

HELLO: Any = [{"role": "user", "content": "How is the room?"}]


@pytest.fixture
def address(made: Callable[..., Services], on_a_port: Callable[[Services], str]) -> str:
    return on_a_port(made())


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not true():
        assert time.monotonic() < end, "it never was so"
        time.sleep(0.01)


def test_sync(address: str, parrot: Any) -> None:
    client = openai.OpenAI(api_key="x", base_url=f"{address}/v1", max_retries=0)
    parrot.says = "很好。 It is good."
    told = client.chat.completions.create(model="chat", messages=HELLO, max_tokens=50, temperature=0.3, seed=1)
    assert told.choices[0].message.content == parrot.says and told.choices[0].finish_reason == "stop"
    assert told.usage.total_tokens == told.usage.prompt_tokens + told.usage.completion_tokens
    options: Any = {"include_usage": True}
    stream = client.chat.completions.create(
        model="chat", messages=HELLO, max_tokens=50, stream=True, stream_options=options
    )
    chunks = list(stream)
    text = "".join(one.choices[0].delta.content or "" for one in chunks if one.choices)
    assert text == parrot.says and chunks[-1].usage == told.usage and chunks[0].choices[0].delta.role == "assistant"
    older = client.completions.create(model="chat", prompt="The room", max_tokens=50)
    assert older.choices[0].text == parrot.says
    pieces = client.completions.create(model="chat", prompt="The room", max_tokens=50, stream=True)
    assert "".join(one.choices[0].text for one in pieces) == parrot.says
    assert [one.id for one in client.models.list()] == ["chat", "real"]


def test_an_answer_is_appended_as_it_came(address: str) -> None:
    client = openai.OpenAI(api_key="x", base_url=f"{address}/v1", max_retries=0)
    talk: Any = list(HELLO)
    message = client.chat.completions.create(model="chat", messages=talk).choices[0].message
    for answer in (message, message.model_dump()):
        told = client.chat.completions.create(model="chat", messages=[*talk, answer, *HELLO])
        assert told.choices[0].message.content


def test_async_and_many_at_once(address: str, parrot: Any) -> None:
    async def one(client: Any, i: int) -> str:
        if i % 2:
            told = await client.chat.completions.create(model="real", messages=HELLO, max_tokens=8)
            return str(told.choices[0].message.content)
        stream = await client.chat.completions.create(model="real", messages=HELLO, max_tokens=8, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    async def work() -> list[str]:
        async with openai.AsyncOpenAI(api_key="x", base_url=f"{address}/v1", max_retries=0) as client:
            return list(await asyncio.gather(*(one(client, i) for i in range(12))))

    found = asyncio.run(work())
    assert len(set(found)) == 1 and found[0]


def test_what_is_refused(address: str, parrot: Any) -> None:
    client = openai.OpenAI(api_key="x", base_url=f"{address}/v1", max_retries=0)
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError, match="wrong order of roles"):
            client.chat.completions.create(model="chat", messages=HELLO * 2, stream=stream)
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.create(model="other", messages=HELLO, stream=stream)
        parrot.fails = True
        with pytest.raises(openai.InternalServerError):
            client.chat.completions.create(model="chat", messages=HELLO, stream=stream)
        parrot.fails = False
    with pytest.raises(openai.BadRequestError, match="tools"):
        client.chat.completions.create(model="chat", messages=HELLO, tools=[{"type": "function"}])  # type: ignore


def test_a_failure_in_the_middle_of_a_stream_is_an_error(address: str, parrot: Any) -> None:
    client = openai.OpenAI(api_key="x", base_url=f"{address}/v1", max_retries=0)
    parrot.says, parrot.pause = "word " * 20, 0.02
    stream = client.chat.completions.create(model="chat", messages=HELLO, max_tokens=50, stream=True)
    next(iter(stream))
    parrot.fails = True
    with pytest.raises(openai.APIError, match="failed on this request"):
        list(stream)


@pytest.mark.parametrize(
    ("path", "stream"), [("chat/completions", True), ("chat/completions", False), ("predict/chat", False)]
)
def test_a_client_that_hangs_up_frees_its_place(address: str, parrot: Any, stream: bool, path: str) -> None:
    parrot.says, parrot.pause = "word " * 40, 0.1
    body: Any = {"messages": HELLO}
    if path != "predict/chat":
        body |= {"model": "chat", "max_tokens": 100, "stream": stream}
    gone = threading.Event()

    def ask() -> None:
        with httpx.Client() as client:
            try:
                with client.stream("POST", f"{address}/v1/{path}", json=body, timeout=0.3 if not stream else 5) as told:
                    for _ in told.iter_lines():
                        break
            except httpx.TimeoutException:
                pass
        gone.set()

    threading.Thread(target=ask).start()
    until(lambda: len(parrot) == 1)
    assert gone.wait(5)
    began = time.monotonic()
    until(lambda: len(parrot) == 0)
    assert time.monotonic() - began < 0.5  # to write it to its end would take more than 0.9 s
