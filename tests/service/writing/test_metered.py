"""What is written is paid for, exactly; what is broken off as far as it was written; what we fail at not at all."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from tunesmith.service.allowance.windows import window
from tunesmith.service.answers import Answers
from tunesmith.service.app import make_app
from tunesmith.service.auth import KeyRing
from tunesmith.service.caller import Caller
from tunesmith.service.metering.meter import Meter
from tunesmith.service.metering.tick import TickMeter
from tunesmith.service.middleware.layers import layered
from tunesmith.service.quotas import Quotas, _name
from tunesmith.service.request_log import LogSettings, RequestLog
from tunesmith.service.services import Services
from tunesmith.service.usage import usage
from tunesmith.service.watching.traces import Traces

HELLO = [{"role": "user", "content": "Write to ann@example.com: how is the room?"}]


@pytest.fixture
def services(made: Callable[..., Services], sqlite_store: Engine, tmp_path: Path) -> Services:
    made_ = made({"plans": {"small": {"tokens": {"day": 150}, "requests": {"day": 9}}}})
    made_.store = sqlite_store
    made_.keys = KeyRing(sqlite_store)
    made_.allowance = Quotas(made_.catalog.plans)
    made_.meter = TickMeter(Meter(sqlite_store, tmp_path / "wal", every=60))
    made_.answers = Answers(sqlite_store)
    made_.log = RequestLog(LogSettings(path=tmp_path / "requests.jsonl", texts=True))
    return made_


@pytest.fixture
def key(services: Services) -> Any:
    assert isinstance(services.keys, KeyRing)
    return services.keys.make("shop", plan="small").text


@pytest.fixture
def client(services: Services, key: Any) -> Iterator[TestClient]:
    app = layered(make_app(services), log=services.log)
    with TestClient(app, raise_server_exceptions=False, headers={"authorization": f"Bearer {key}"}) as asked:
        yield asked


def chat(client: TestClient, id: str = "", **more: Any) -> Any:
    headers = {"idempotency-key": id} if id else {}
    body = {"model": "chat", "messages": HELLO, "max_tokens": 50, **more}
    return client.post("/v1/chat/completions", json=body, headers=headers)


def counted(services: Services) -> dict[str, Any]:
    assert services.meter is not None and services.store is not None
    services.meter.meter.settle()  # type: ignore[attr-defined]
    rows = usage(services.store, by=())
    return rows[0] if rows else {"requests": 0, "tokens": 0, "rows": 0}


def test_a_stream_is_counted_like_a_whole_answer(client: TestClient, services: Services) -> None:
    told = chat(client).json()["usage"]["total_tokens"]
    assert counted(services)["tokens"] == told
    answer = chat(client, stream=True)
    assert "[DONE]" in answer.text
    found = counted(services)
    assert (found["requests"], found["tokens"], found["rows"]) == (2, 2 * told, 2)
    page = client.get("/metrics").text
    assert 'tunesmith_written_tokens_total{product="chat",version="1"}' in page
    assert 'stage="first"' in page


def test_several_texts_pay_their_prompt_once(client: TestClient, services: Services, talker: Any) -> None:
    told = chat(client, n=3, max_tokens=2).json()["usage"]
    prompt = len(talker.processor.apply_chat_template(HELLO, add_generation_prompt=True)["input_ids"])
    assert told == {"prompt_tokens": prompt, "completion_tokens": 6, "total_tokens": prompt + 6}
    assert counted(services)["tokens"] == prompt + 6


def test_it_is_written_down_before_the_client_has_the_end(
    client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(events: Any) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(services.meter.meter, "write", fails)  # type: ignore[union-attr]
    whole, stream = chat(client), chat(client, stream=True)
    assert whole.status_code == 503 and whole.json()["error"]["code"] == "metering_unavailable"
    last = [line for line in stream.text.split("\n\n") if line][-1]
    assert json.loads(last[6:])["error"]["code"] == "metering_unavailable" and '"stop"' not in stream.text
    assert 'errors_total{code="metering_unavailable",product="chat",version="1"} 2.0' in client.get("/metrics").text


def test_what_cannot_be_written_down_uses_nothing_up(
    client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(events: Any) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(services.meter.meter, "write", fails)  # type: ignore[union-attr]
    assert [chat(client, stream=bool(i % 2)).status_code for i in range(2)] == [503, 200]
    (key,), quotas = services.keys.all(), services.allowance  # type: ignore[union-attr]
    day = window("day", time.time())
    counters = [_name(Caller(key.id), what, day) for what in ("requests", "tokens")]
    used = [asyncio.run(quotas._counters.get(name)) for name in counters]  # type: ignore[union-attr]
    assert used == [0, 0]


def test_a_stream_has_a_span(client: TestClient, services: Services) -> None:
    memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    exporter = memory.InMemorySpanExporter()
    services.traces = Traces("", exporter)
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    body = {"model": "chat", "messages": HELLO, "max_tokens": 9}
    for stream in (False, True):
        answer = client.post("/v1/chat/completions", json={**body, "stream": stream}, headers={"traceparent": parent})
        assert answer.status_code == 200
    services.traces.flush()
    spans = [span for span in exporter.get_finished_spans() if span.name == "write chat"]
    assert len(spans) == 2
    for span in spans:
        assert format(span.context.trace_id, "032x") == parent.split("-")[1] and span.attributes["tokens"] > 9
        below = [one.name for one in exporter.get_finished_spans() if one.parent.span_id == span.context.span_id]
        assert below == ["first", "compute"]


def test_a_plan_ends_and_says_so(client: TestClient) -> None:
    statuses = [chat(client, stream=bool(i % 2), max_tokens=10).status_code for i in range(8)]
    assert statuses[0] == 200 and statuses[-1] == 429
    refused = chat(client, stream=True)
    assert refused.status_code == 429 and refused.headers["retry-after"]


def test_what_we_fail_at_is_not_paid(client: TestClient, services: Services, parrot: Any) -> None:
    parrot.fails = True
    for stream in (False, True):
        assert chat(client, stream=stream).status_code == 500
    found = counted(services)
    assert (found["requests"], found["failed"], found["tokens"]) == (2, 2, 0)
    tally = services.counts.tally("chat", "1")
    assert (tally.requests, tally.failed) == (2, 2)


def test_a_retry_under_the_same_id_is_counted_once(client: TestClient, services: Services) -> None:
    once = chat(client, "mine").json()["usage"]["total_tokens"]
    chat(client, "mine", stream=True)
    assert counted(services)["tokens"] == once  # the same question, however it is told
    chat(client, "mine", max_tokens=2)
    assert counted(services)["requests"] == 2  # another one


async def _broken_after(services: Services, key: Any, parrot: Any, parts: int, *, stream: bool, id: str = "") -> None:
    """Ask through ASGI, and hang up after some parts of the answer's body."""
    app = make_app(services)
    body = json.dumps({"model": "chat", "messages": HELLO, "max_tokens": 90, "stream": stream}).encode()
    gone, sent = asyncio.Event(), 0
    first = True

    async def receive() -> Any:
        nonlocal first
        if first:
            first = False
            return {"type": "http.request", "body": body, "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        nonlocal sent
        sent += message["type"] == "http.response.body"
        if sent >= parts:
            gone.set()
        await asyncio.sleep(0)

    headers = [(b"authorization", f"Bearer {key}".encode()), *([(b"idempotency-key", id.encode())] if id else [])]
    scope = {
        "type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": headers, "query_string": b"",
        "http_version": "1.1", "scheme": "http", "server": ("t", 80), "client": ("t", 1), "root_path": "",
        "raw_path": b"/v1/chat/completions", "asgi": {"version": "3.0", "spec_version": "2.3"},
    }  # fmt: skip

    async def hang_up() -> None:
        while not len(parrot):
            await asyncio.sleep(0.01)
        gone.set()

    async with _alive(app):
        leaving = asyncio.ensure_future(asyncio.sleep(0) if stream else hang_up())
        await app(scope, receive, send)
        await leaving
        await asyncio.sleep(0.3)


@asynccontextmanager
async def _alive(app: Any) -> AsyncIterator[None]:
    async with app.router.lifespan_context(app):
        yield


def test_a_stream_that_breaks_off_is_paid_as_far_as_it_was_written(
    services: Services, key: Any, parrot: Any, talker: Any, sqlite_store: Engine, tmp_path: Path
) -> None:
    parrot.says, parrot.pause = "word " * 60, 0.02
    asyncio.run(_broken_after(services, key, parrot, 6, stream=True, id="mine"))
    Meter(sqlite_store, tmp_path / "wal").close()
    (row,) = usage(sqlite_store)
    prompt = len(talker.processor.apply_chat_template(HELLO, add_generation_prompt=True)["input_ids"])
    assert row["requests"] == 1 and prompt + 3 <= row["tokens"] <= prompt + 20
    assert len(parrot) == 0


def test_a_whole_answer_that_nobody_waits_for_is_not_paid(
    services: Services, key: Any, parrot: Any, sqlite_store: Engine, tmp_path: Path
) -> None:
    parrot.says, parrot.pause = "word " * 60, 0.02
    asyncio.run(_broken_after(services, key, parrot, 99, stream=False))
    Meter(sqlite_store, tmp_path / "wal").close()
    assert usage(sqlite_store) == [] and len(parrot) == 0 and len(parrot.asked) == 1


def test_the_log_has_it_without_personal_data(client: TestClient, services: Services, parrot: Any) -> None:
    parrot.says = "Ask bob@example.com."
    chat(client, stream=True)
    assert services.log is not None
    services.log.flush()
    (line,) = [json.loads(one) for one in services.log.settings.path.read_text().splitlines()]
    assert line["product"] == "chat" and line["tokens"] > 10 and line["status"] == 200
    assert line["answered"][0]["text"] == "Ask [EMAIL]." and "ann@" not in json.dumps(line["asked"])


def test_feedback_finds_it(client: TestClient, services: Services) -> None:
    told = chat(client, stream=True).text.split("\n\n")[0]
    request = json.loads(told[6:])["id"]
    answer = client.post("/v1/feedback", json={"request_id": request, "right": {"text": "It is bad."}})
    assert answer.status_code == 201, answer.text


def test_a_key_chats_with_its_own_products_alone(services: Services) -> None:
    assert isinstance(services.keys, KeyRing)
    other = services.keys.make("other", products=["real"]).text
    with TestClient(make_app(services)) as client:
        headers = {"authorization": f"Bearer {other}"}
        body = {"model": "chat", "messages": HELLO}
        for path in ("chat/completions", "completions"):
            answer = client.post(f"/v1/{path}", json={**body, "prompt": "a"}, headers=headers)
            assert answer.json()["error"]["code"] in ("model_not_found", "invalid_request")
        assert client.post("/v1/chat/completions", json=body, headers=headers).status_code == 404
        assert client.post("/v1/chat/completions", json=body).status_code == 401
