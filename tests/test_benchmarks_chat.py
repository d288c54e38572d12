"""What the figures of benchmarks/service/chat.py go through: streams read, times kept, texts compared."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks" / "service"))
import chat
import chat_load


def event(text: str) -> bytes:
    return b"data: " + json.dumps({"choices": [{"delta": {"content": text}}]}).encode() + b"\n\n"


async def serving(status: str, parts: list[bytes], pause: float, given: list[str]) -> dict[str, Any]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split()[0])
        asked.append(json.loads(await reader.readexactly(length)))
        writer.write(f"HTTP/1.1 {status}\r\ntransfer-encoding: chunked\r\n\r\n".encode())
        for part in parts:
            await asyncio.sleep(pause)
            writer.write(b"%x\r\n%s\r\n" % (len(part), part))
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        writer.close()

    asked: list[Any] = []
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    async with server:
        found = await chat_load.run(chat_load.options(["--url", url, *given]))
    assert all(one["min_tokens"] == one["max_tokens"] for one in asked)
    return found


@pytest.fixture
def prompts(tmp_path: Path) -> str:
    path = tmp_path / "prompts.jsonl"
    path.write_text("\n".join(json.dumps({"messages": [{"role": "user", "content": t}]}) for t in "ab"), "utf-8")
    return str(path)


def test_streams_are_timed(prompts: str) -> None:
    parts = [event(""), event("很"), event("好"), b"data: [DONE]\n\n"]
    words = ["--prompts", prompts, "--clients", "2", "--requests", "6", "--tokens", "2", "--warmup", "1"]
    found = asyncio.run(serving("200 OK", parts, 0.05, words))
    assert (found["requests"], found["failed"], found["texts"]) == (6, 0, ["很好"] * 6)
    assert 95 < found["first"]["p50"] < 200 and 45 < found["gap"]["p50"] < 100  # the empty one is no token
    assert found["tokens_per_second"] == pytest.approx(12 / found["seconds"], rel=0.01)


def test_what_fails_is_no_speed(prompts: str) -> None:
    words = ["--prompts", prompts, "--requests", "3", "--tokens", "2", "--warmup", "0"]
    found = asyncio.run(serving("503 Busy", [b'{"error": {}}'], 0.0, words))
    assert (found["failed"], found["tokens_per_second"]) == (3, 0.0) and "503" in found["error"]
    broken = [event("a"), b'data: {"error": {"message": "no"}}\n\n']
    assert asyncio.run(serving("200 OK", broken, 0.0, words))["failed"] == 3


def test_the_page_compares_like_with_like() -> None:
    def seen(speed: float, first: float, texts: list[str]) -> dict[str, Any]:
        times = dict.fromkeys(("p50", "p95", "p99", "max"), first)
        return {
            "tokens_per_second": speed, "each": speed, "first": times, "gap": times, "failed": 0, "texts": texts,
            "rss": 1.0,
        }  # fmt: skip

    found = {
        "generate fp32": {"1": [seen(10, 100, ["a ", "b"])]},
        "ours fp32": {"1": [seen(30, 50, ["a", "c"]), seen(99, 50, ["x", "y"]), seen(20, 50, ["z", "z"])]},
    }
    assert chat.times_as_fast(found) == [
        "- ours fp32 against generate fp32, 1 client: 3.0x tokens/s, the first token 2.0x sooner."
    ]
    assert chat.same(found) == ["- ours fp32: 50% of the texts are those of generate fp32, to the letter."]
