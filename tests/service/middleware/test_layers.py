"""Each layer around a small application; the last tests ask a real uvicorn through sockets."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from tunesmith.service.middleware.layers import layered
from tunesmith.service.middleware.slow_headers import timed_protocol
from tunesmith.service.request_log import LogSettings, RequestLog, note
from tunesmith.service.run import layers_of
from tunesmith.service.services import Services


async def size(request: Request) -> JSONResponse:
    body = await request.body()
    note(key="k1", product="shop", version="2", asked=[body.decode("utf-8", "replace")])
    return JSONResponse({"size": len(body)})


async def swallows(request: Request) -> JSONResponse:
    """As a framework does that turns every error of reading into one of its own."""
    try:
        await request.body()
    except Exception:
        return JSONResponse({}, 400)
    return JSONResponse({})


async def streams(request: Request) -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        for number in range(3):
            yield str(number).encode()

    return StreamingResponse(parts(), headers={"cache-control": "max-age=60"})


def app() -> Starlette:
    routes = [
        Route("/size", size, methods=["POST"]),
        Route("/swallows", swallows, methods=["POST"]),
        Route("/v1/files", size, methods=["POST"]),
        Route("/streams", streams),
    ]
    return Starlette(routes=routes)


def ask(
    path: str, method: str = "POST", scheme: str = "http", layers: dict[str, Any] | None = None, **more: Any
) -> Any:
    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(layered(app(), **({"body": 100, "file": 1000} | (layers or {}))))
        async with httpx.AsyncClient(transport=transport, base_url=f"{scheme}://shop") as client:
            return await client.request(method, path, **more)

    return asyncio.run(asked())


async def chunks(count: int, each: int, pulled: list[int]) -> AsyncIterator[bytes]:
    for number in range(count):
        pulled.append(number)
        yield b"x" * each


@pytest.mark.parametrize("path", ["/size", "/swallows"])
def test_a_large_body_is_refused_before_it_is_read(path: str) -> None:
    said = ask(path, content=b"x" * 101)
    assert said.status_code == 413 and said.json()["error"]["code"] == "too_large"
    assert said.json()["error"]["request_id"] == said.headers["x-request-id"] and said.headers["connection"] == "close"
    pulled: list[int] = []
    said = ask(path, content=chunks(1000, 30, pulled))
    assert said.status_code == 413 and len(pulled) < 10
    assert ask(path, content=b"x" * 100).status_code == 200


def test_a_client_that_leaves_is_no_fault_of_ours(
    made: Callable[..., Services], caplog: pytest.LogCaptureFixture
) -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    async def asked() -> None:
        services = made()
        services.products.load()
        head = {"type": "http", "method": "POST", "path": "/v1/predict/plain", "query_string": b"", "headers": []}
        await layers_of(services)({**head, "raw_path": b"", "http_version": "1.1", "root_path": ""}, receive, send)
        services.products.close()

    asyncio.run(asked())
    assert caplog.records == []


def test_files_may_be_larger() -> None:
    assert ask("/v1/files", content=b"x" * 1000).json() == {"size": 1000}
    assert ask("/v1/files", content=b"x" * 1001).status_code == 413


def test_headers_of_every_answer() -> None:
    for said in (ask("/size"), ask("/absent"), ask("/size", content=b"x" * 101)):
        assert said.headers["x-content-type-options"] == "nosniff" and said.headers["cache-control"] == "no-store"
        assert "frame-ancestors 'none'" in said.headers["content-security-policy"]
        assert "unsafe" not in said.headers["content-security-policy"]
        assert said.headers["x-request-id"].startswith("req_") and "strict-transport-security" not in said.headers
    assert "max-age" in ask("/size", scheme="https").headers["strict-transport-security"]
    assert ask("/size", headers={"idempotency-key": "mine-1"}).headers["x-request-id"] == "mine-1"
    assert "x-request-id" not in ask("/size", headers={"idempotency-key": "a b"}).headers
    said = ask("/streams", "GET")
    assert said.text == "012" and said.headers["cache-control"] == "max-age=60"


def test_pages_of_other_origins() -> None:
    asked = {"origin": "https://a.example", "access-control-request-method": "POST"}
    told = ask("/size", "OPTIONS", headers=asked, layers={"origins": ["https://a.example"]})
    assert told.headers["access-control-allow-origin"] == "https://a.example"
    assert "access-control-allow-credentials" not in told.headers
    other = ask(
        "/size", "OPTIONS", headers=asked | {"origin": "https://b.example"}, layers={"origins": ["https://a.example"]}
    )
    assert "access-control-allow-origin" not in other.headers
    assert "access-control-allow-origin" not in ask("/size", headers=asked).headers


def test_the_log_has_what_it_should_and_no_more(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "requests.jsonl"
    log = RequestLog(LogSettings(path=path, texts=True))
    secret = {"authorization": "Bearer sk-verysecretkey123456", "cookie": "a=b"}
    said = ask(
        "/size?api_key=sk-verysecretkey123456", content="我的手机是13812345678", headers=secret, layers={"log": log}
    )
    ask("/size", content=b"x" * 101, layers={"log": log})
    log.close()
    first, second = map(json.loads, path.read_text("utf-8").splitlines())
    assert first["request_id"] == said.headers["x-request-id"]
    assert [first[k] for k in ("key", "product", "version", "status", "path", "method")] == [
        "k1", "shop", "2", 200, "/size", "POST"
    ]  # fmt: skip
    assert first["asked"] == ["我的手机是[PHONE]"] and 0 < first["seconds"] < 5 and first["at"] > 1e9
    assert second["status"] == 413
    assert "verysecret" not in path.read_text("utf-8") and path.stat().st_mode & 0o077 == 0


def test_the_log_is_bounded_and_has_no_texts_unless_asked(tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    log = RequestLog(LogSettings(path=path, megabytes=0.001, files=3))
    for number in range(100):
        log.write({"request_id": f"r{number}", "asked": ["x"], "header": "never"})
    log.close()
    kept = sorted(p.name for p in tmp_path.iterdir())
    assert kept == ["requests.jsonl", "requests.jsonl.1", "requests.jsonl.2"]
    assert all(p.stat().st_size <= 1000 for p in tmp_path.iterdir())
    assert json.loads(path.read_text("utf-8").splitlines()[-1]) == {"request_id": "r99"}


@pytest.mark.parametrize("files", [1, 3])
def test_a_log_that_cannot_be_rotated_goes_on_with_its_own_file(tmp_path: Path, files: int) -> None:
    path = tmp_path / "logs" / "requests.jsonl"
    log = RequestLog(LogSettings(path=path, megabytes=0.0002, files=files))
    log.write({"path": "/a" * 90})
    log.flush()
    shutil.move(path.parent, tmp_path / "away")
    log.write({"path": "/b" * 90})
    log.flush()
    with (tmp_path / "anothers").open("w+b") as another:  # it takes the number that the log has let go, if it has
        log.write({"path": "/c"})
        log.flush()
        assert another.read() == b"" and os.fstat(another.fileno()).st_size == 0
    kept = (tmp_path / "away" / "requests.jsonl").read_text("utf-8")
    assert [json.loads(line)["path"][:2] for line in kept.splitlines()] == ["/a", "/b", "/c"]
    path.parent.mkdir()
    log.write({"path": "/d"})
    log.close()
    assert json.loads(path.read_text("utf-8"))["path"] == "/d" and log.dropped == 0


@pytest.fixture
def address() -> Iterator[tuple[str, int]]:
    place = socket.create_server(("127.0.0.1", 0))
    inside = layered(app(), body=10_000_000, seconds=0.5)
    config = uvicorn.Config(inside, log_level="critical", http=timed_protocol(0.5), lifespan="off")  # type: ignore[arg-type]
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([place],))
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield place.getsockname()[:2]
    server.should_exit = True
    thread.join(10)


def slow(address: tuple[str, int], start: bytes, drop: bytes, most: float = 5) -> tuple[float, bytes]:
    """Send ``start``, then ``drop`` again and again; how long until the server ends it, and what it says."""
    began, said = time.monotonic(), b""
    with socket.create_connection(address) as client:
        client.sendall(start)
        client.settimeout(0.1)
        while time.monotonic() - began < most:
            try:
                client.sendall(drop)
                part = client.recv(4096)
                if not part:
                    break
                said += part
            except TimeoutError:
                continue
            except OSError:
                break
    return time.monotonic() - began, said


def test_a_slow_body_is_ended(address: tuple[str, int]) -> None:
    head = b"POST /size HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n"
    took, said = slow(address, head, b"x")
    assert took < 3 and b" 408 " in said and b"slow_body" in said


@pytest.mark.parametrize("start", [b"", b"GET /size HTTP/1.1\r\nhost: x\r\n"])
def test_a_slow_head_is_ended(address: tuple[str, int], start: bytes) -> None:
    took, _ = slow(address, start, b"x" if start else b"")
    assert 0.4 < took < 3


def test_a_second_request_with_a_slow_head_is_ended(address: tuple[str, int]) -> None:
    whole = b"GET /streams HTTP/1.1\r\nhost: x\r\n\r\n"
    with socket.create_connection(address) as client:
        for _ in range(2):
            client.sendall(whole)
            said = b""
            while not said.endswith(b"0\r\n\r\n"):
                said += client.recv(4096)
            assert b" 200 " in said
            time.sleep(0.7)  # idle between two requests is not slow
    took, _ = slow(address, whole + b"GET /size HTTP/1.1\r\n", b"x")
    assert took < 3


def test_a_large_body_in_time_comes_through(address: tuple[str, int]) -> None:
    with httpx.Client(base_url=f"http://{address[0]}:{address[1]}") as client:
        assert client.post("/size", content=b"x" * 5_000_000).json() == {"size": 5_000_000}
        said = client.post("/size", content=(b"x" * 100_000 for _ in range(200)))
        assert said.status_code == 413
        assert client.get("/streams").text == "012"
