"""Clients that chat, in a process of their own: each with one stream at a time; prints JSON.

    python benchmarks/service/chat_load.py --url http://127.0.0.1:8000/v1/chat/completions --model chat \\
        --prompts prompts.jsonl --clients 8 --requests 32 --tokens 64

Every answer has the same length, so that all servers do the same work. Times run from the moment when the request is
sent to the arrival of each event that brings text.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Mapping, Sequence
from itertools import count, cycle
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import figures


class Talk:
    """One stream: when its events came, and what they said."""

    def __init__(self) -> None:
        self.began, self.times, self.text, self.error = time.perf_counter(), list[float](), "", ""

    def take(self, line: bytes) -> None:
        """A line of the answer; other lines than events (chunk sizes, blanks) are passed over."""
        if not line.startswith(b"data: ") or line.startswith(b"data: [DONE]"):
            return
        event = json.loads(line[6:])
        if "error" in event:
            self.error = str(event["error"])
        for choice in event.get("choices", ()):
            if choice["delta"].get("content"):
                self.times.append(time.perf_counter())
                self.text += choice["delta"]["content"]


def summary(talks: Sequence[Talk], tokens: int, seconds: float) -> dict[str, Any]:
    """What the streams of a run say of a server.

    Args:
        talks: those that were counted.
        tokens: of each answer.
        seconds: that they took together.
    """
    whole = [talk for talk in talks if talk.times and not talk.error]
    gaps = [1e3 * (b - a) for talk in whole for a, b in zip(talk.times, talk.times[1:], strict=False)]
    return {
        "requests": len(talks),
        "failed": len(talks) - len(whole),
        "seconds": round(seconds, 3),
        "tokens_per_second": round(tokens * len(whole) / seconds, 2),
        "first": figures.spread([1e3 * (talk.times[0] - talk.began) for talk in whole]),
        "gap": figures.spread(gaps),
        "each": round(sum((tokens - 1) / (t.times[-1] - t.times[0]) for t in whole) / max(1, len(whole)), 2),
        "texts": [talk.text for talk in talks],
    }


async def talk(url: str, body: Mapping[str, Any]) -> Talk:
    """Ask, and read to the end."""
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    data = json.dumps(body).encode()
    head = f"POST {place.path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nConnection: close\r\n"
    one = Talk()
    writer.write(head.encode() + b"Content-Length: %d\r\n\r\n" % len(data) + data)
    status = await reader.readline()
    if b" 200 " not in status:
        one.error = (status + await reader.read(4000)).decode("utf-8", "replace")
    async for line in reader:
        one.take(line)
    writer.close()
    return one


async def run(given: argparse.Namespace) -> dict[str, Any]:
    """All clients, until so many streams were counted."""
    prompts = [json.loads(line) for line in given.prompts.read_text("utf-8").splitlines()]
    left, asked = count(), cycle(prompts)
    talks: list[Talk] = []

    async def client() -> None:
        while next(left) < given.requests:
            how = {"max_tokens": given.tokens, "min_tokens": given.tokens, "temperature": 0, "stream": True}
            talks.append(await talk(given.url, {"model": given.model, **next(asked), **how}))

    for _ in range(given.warmup):
        await talk(given.url, {"model": given.model, **prompts[-1], "max_tokens": 8, "min_tokens": 8, "stream": True})
    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(given.clients)))
    found = summary(talks, given.tokens, time.perf_counter() - began)
    wrong = next((one.error for one in talks if one.error), "")
    return found | ({"error": wrong[:500]} if wrong else {})


def options(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True)
    parser.add_argument("--model", default="chat")
    parser.add_argument("--prompts", type=Path, required=True, help='JSON lines of {"messages": [...]}')
    parser.add_argument("--clients", type=int, default=1)
    parser.add_argument("--requests", type=int, default=8, help="streams that are counted")
    parser.add_argument("--warmup", type=int, default=2, help="short ones before")
    parser.add_argument("--tokens", type=int, default=64, help="of each answer")
    return parser.parse_args(words)


if __name__ == "__main__":
    json.dump(asyncio.run(run(options())), sys.stdout, ensure_ascii=False)
    print()
