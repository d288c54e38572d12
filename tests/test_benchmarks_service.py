"""What every figure of benchmarks/service goes through: percentiles, pacing, HTTP, the loops, the verdicts."""

from __future__ import annotations

import asyncio
import csv
import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks" / "service"))
import figures
import kill
import load
import loops
import overload
import verdicts
import wire

BODY = '{"prediction": {"label": "好"}}'.encode()
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\n" + BODY[:4] + b"\r\n%x;a=b\r\n" % (len(BODY) - 4)
CHUNKED += BODY[4:] + b"\r\n0\r\n\r\n"
REFUSAL = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\n{}"


@pytest.mark.parametrize("count", [1, 2, 99, 100, 101, 1000])
def test_percentiles_are_those_of_numpy(count: int) -> None:
    values = [random.Random(count).random() for _ in range(count)]
    for share in (0.5, 0.95, 0.99, 1.0):
        assert figures.percentile(values, share) == np.percentile(values, 100 * share, method="inverted_cdf")
    assert figures.percentile([], 0.5) is None


def test_requests_are_due_at_the_rate() -> None:
    assert list(figures.arrivals(10, 0.5, poisson=False, seed=0)) == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    due = list(figures.arrivals(1000, 20, poisson=True, seed=1))
    gaps = np.diff(due)
    assert len(due) == pytest.approx(20_000, rel=0.03) and due[-1] < 20
    assert gaps.min() >= 0 and gaps.std() == pytest.approx(gaps.mean(), rel=0.05)  # an exponential's are the same
    assert due == list(figures.arrivals(1000, 20, poisson=True, seed=1))


def test_only_good_answers_make_the_rate() -> None:
    found = figures.summary({"200": [1.0, 3.0], "429": [0.5], "503": [0.7], "500": [9.0], "broken": [2.0]}, 2)
    assert found["rate"] == 1 and found["good"]["count"] == 2 and found["refused"]["count"] == 2
    assert found["failed"] == {"500": 1, "broken": 1} and found["requests"] == 6


@pytest.mark.parametrize("whole", [PLAIN, CHUNKED, REFUSAL])
def test_an_answer_is_taken_when_it_is_whole(whole: bytes) -> None:
    for cut in range(len(whole)):
        assert wire.taken(whole[:cut]) is None
    found = wire.taken(bytearray(whole + b"HTTP/1.1 200"))
    assert found is not None and found[1] == len(whole)
    assert found[0].body == (b"{}" if whole is REFUSAL else BODY)
    assert found[0].status == (503 if whole is REFUSAL else 200)


def test_what_is_not_http_is_an_error() -> None:
    for text in (b"SSH-2.0 hello\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: y\r\n\r\n"):
        with pytest.raises(wire.NotHttp):
            wire.taken(text)


def test_a_request_tells_its_length_in_bytes() -> None:
    sent = wire.request(wire.Target.of("http://h:81/v1/x"), "好".encode(), (("Authorization", "Bearer k"),))
    assert sent.startswith(b"POST /v1/x HTTP/1.1\r\nHost: h:81\r\n") and b"Authorization: Bearer k\r\n" in sent
    assert sent.endswith(b"Content-Length: 3\r\n\r\n" + "好".encode())


def test_a_pause_is_as_long_as_asked_but_not_endless() -> None:
    answer = wire.taken(REFUSAL)
    assert answer is not None and loops.retry_after(answer[0]) == loops.LONGEST
    assert loops.retry_after(wire.Answer(503, b"HTTP/1.1 503 x\r\nRetry-After: 0.25", b"")) == 0.25
    assert loops.retry_after(wire.Answer(503, b"HTTP/1.1 503 x\r\nRetry-After: Mon", b"")) == 0.0


Reply = Callable[[bytes, asyncio.StreamWriter], Any]


def run(tmp_path: Path, reply: Reply, *words: str) -> dict[str, Any]:
    """A load on a server that replies so; the load's own figures."""
    with (tmp_path / "texts.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text",), ("Where is my card?",), ("卡在哪里",)])

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                size = int(head.lower().partition(b"content-length:")[2].split()[0])
                await reply(head + await reader.readexactly(size), writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def both() -> dict[str, Any]:
        server = await asyncio.start_server(served, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/predict/x"
        given = load.options(["--url", url, "--texts", str(tmp_path / "texts.csv"), "--warmup", "0.1", *words])
        keys = given.keys.read_text("utf-8").split() if given.keys else []
        found = await loops.Load(given, load.bodies(given), keys).run()
        server.close()
        return found

    return asyncio.run(both())


def test_clients_ask_in_the_seeds_order_and_are_counted(tmp_path: Path) -> None:
    bodies: list[str] = []

    async def reply(asked: bytes, writer: asyncio.StreamWriter) -> None:
        bodies.append(json.loads(asked.partition(b"\r\n\r\n")[2])["text"])
        writer.write(PLAIN)
        await asyncio.sleep(0.01)

    found = run(tmp_path, reply, "--clients", "3", "--seconds", "0.4")
    assert found["statuses"].keys() == {"200"} and 0 < found["good"]["count"] < len(bodies) == found["sent"]
    assert found["rate"] == pytest.approx(found["good"]["count"] / found["seconds"], rel=0.01)
    assert set(bodies) == {"Where is my card?", "卡在哪里"} and json.loads(found["sample"])


def test_what_is_broken_or_refused_is_asked_again_under_its_id(tmp_path: Path) -> None:
    seen: dict[str, list[int]] = {}
    drawn = random.Random(3)

    async def reply(asked: bytes, writer: asyncio.StreamWriter) -> None:
        head = asked.partition(b"\r\n\r\n")[0].decode()
        fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
        key, name = fields["Authorization"].removeprefix("Bearer "), fields["Idempotency-Key"]
        fate = drawn.random()
        seen.setdefault(f"{key} {name}", []).append(fate >= 0.1)
        if fate < 0.05:
            writer.transport.abort()
        else:
            writer.write(REFUSAL.replace(b"7", b"0") if fate < 0.1 else PLAIN)

    (tmp_path / "keys.txt").write_text("a\nb\n", "utf-8")
    words = ["--retry", "--keys", str(tmp_path / "keys.txt"), "--acknowledged", str(tmp_path / "ids.txt")]
    found = run(tmp_path, reply, "--clients", "4", "--seconds", "0.4", *words)
    told = (tmp_path / "ids.txt").read_text("utf-8").splitlines()
    assert found["retries"] > 0 and found["unacknowledged"] == 0
    assert len(told) == len(set(told)) == found["sent"] == len(seen)
    assert {line.replace("0 ", "a ", 1).replace("1 ", "b ", 1) for line in told} == set(seen)
    assert all(tries[-1] and not any(tries[:-1]) for tries in seen.values())  # once well, and never after that


def test_a_server_that_stalls_cannot_hide_it(tmp_path: Path) -> None:
    """With one connection a stall delays all that were due meanwhile; the times must tell."""
    count = 0

    async def reply(asked: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        count += 1
        await asyncio.sleep(0.4 if count == 30 else 0)
        writer.write(PLAIN)

    found = run(tmp_path, reply, "--rate", "100", "--even", "--connections", "1", "--seconds", "1")
    assert found["good"]["count"] == pytest.approx(100, abs=2)
    assert found["good"]["p95"] > 200 and found["from_sending"]["good"]["p95"] < 200


def test_who_gets_no_answer_goes_away(tmp_path: Path) -> None:
    async def reply(asked: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(3)

    found = run(tmp_path, reply, "--clients", "2", "--seconds", "1", "--timeout", "0.3")
    assert found["failed"].keys() == {"timeout"} and found["rate"] == 0


def cell(rate: float, p50: float = 5.0, failed: int = 0) -> dict[str, Any]:
    good, refused = {"count": 9, "p50": p50}, {"count": 0}
    return {"rate": rate, "good": good, "refused": refused, "failed": {"500": failed} if failed else {}}


def test_verdicts_of_throughput() -> None:
    bare = {"int8": {"banking77": {"one_forward_ms": 2.0, "many_forward": 1000.0, "many_whole": 900.0}, "others": 0.0}}
    cells = {
        "naive | banking77 | 64": cell(70), "LitServe, int8 | banking77 | 64": cell(600),
        "ours, int8 | banking77 | 1": cell(200, p50=4.59), "ours, int8 | banking77 | 64": cell(701),
    }  # fmt: skip
    lines = verdicts.wanted({"cells": cells, "bare": bare})
    assert len(lines) == 4 and all("**met" in line for line in lines)
    cells |= {"ours, int8 | banking77 | 1": cell(200, p50=4.61), "ours, int8 | banking77 | 64": cell(599)}
    lines = verdicts.wanted({"cells": cells, "bare": bare})
    assert all("NOT met" in line for line in lines)
    cells["ours, int8 | banking77 | 64"] = cell(5000, failed=1)  # quick, but not all were answered
    assert "NOT met" in verdicts.wanted({"cells": cells, "bare": bare})[0]


def test_verdicts_of_an_overload() -> None:
    def over(good: float, refused: float, last: float, failed: dict[str, int]) -> list[bool]:
        told = {"good": {"p99": good}, "refused": {"p99": refused}, "failed": failed}
        told["from_sending"] = {"refused": {"p99": refused}}
        rss = [100.0] * 10 + [200.0] * 20 + [last] * 10
        lines = overload.wanted({"over": told, "alive": True, "rss": rss, "start": 90.0}, 2.0)
        return ["**met**" in line for line in lines]

    assert over(1999, 49, 219, {}) == [True] * 4
    assert over(2001, 51, 221, {"broken": 1}) == [False] * 4


def test_a_kill_is_survived_where_every_key_agrees() -> None:
    load = {"unacknowledged": 0}
    same = [{"acknowledged": 2, "metered": 2}, {"acknowledged": 0, "metered": 0}]
    assert kill.equal({"keys": same, "strange": {}, "load": load})
    swapped = [{"acknowledged": 2, "metered": 1}, {"acknowledged": 1, "metered": 2}]
    assert not kill.equal({"keys": swapped, "strange": {}, "load": load})
    assert not kill.equal({"keys": same, "strange": {"open": 1}, "load": load})
    assert not kill.equal({"keys": same, "strange": {}, "load": {"unacknowledged": 1}})
    assert kill.acknowledged(["0 a", "1 b", "0 c", "0 c", ""]) == {0: 2, 1: 1}
