"""Drift, alerts, logs and traces of a running service."""

from __future__ import annotations

import http.client
import io
import json
import logging
import smtplib
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from tunesmith.bundle.drift.baseline import baseline_of, read_baseline, write_baseline
from tunesmith.bundle.drift.facts import facts
from tunesmith.core.errors import RecipeError
from tunesmith.service.app import make_app
from tunesmith.service.monitoring import Counts
from tunesmith.service.services import Services
from tunesmith.service.watching.alert import Alert, Teller, by_mail, webhook
from tunesmith.service.watching.logs import JsonLines, current
from tunesmith.service.watching.rules import Rules
from tunesmith.service.watching.settings import Alerts, Drift, Email
from tunesmith.service.watching.traces import Traces
from tunesmith.service.watching.watch import Watch


def ask(client: TestClient, text: str) -> Any:
    return client.post("/v1/predict/plain", json={"text": text})


@pytest.fixture
def told() -> list[Alert]:
    return []


@pytest.fixture
def watched(made: Callable[..., Services], tmp_path: Path, told: list[Alert], monkeypatch: Any) -> Iterator[Services]:
    """A service whose bundle was proven on texts of 20 to 39 characters."""
    rows = [
        facts("the parcel is late", [np.arange(20 + i % 20)], {"label": "x", "score": 1.0}, None) for i in range(90)
    ]
    baseline = baseline_of(rows, None)
    assert baseline is not None
    services = made()
    monkeypatch.setattr("tunesmith.service.watching.watch.read_baseline", lambda folder: baseline)
    write_baseline(tmp_path, baseline)
    settings = Drift(rows=50, step=50, per_second=1e6)
    services.watch = Watch(settings, services.counts, told.append)
    yield services
    services.watch.close()


def test_drift_is_raised_told_and_shown(watched: Services, told: list[Alert]) -> None:
    assert watched.watch is not None
    with TestClient(make_app(watched)) as client:
        for i in range(50):
            assert ask(client, "y" * (100 + i)).status_code == 200
        watched.watch.flush()
        look = watched.watch.told("plain", "1")
        assert look is not None and "length" in look.moved
        assert told and told[0].name == "drift" and "length (1.00)" in told[0].words
        page = client.get("/metrics").text
    assert 'tunesmith_drift{of="length",product="plain",version="1"} 1.0' in page
    assert 'tunesmith_drifting{product="plain",version="1"} 1.0' in page
    for stage in ("queue", "tokenise", "compute", "total"):
        assert f'tunesmith_seconds_count{{product="plain",stage="{stage}",version="1"}} 50.0' in page
    assert 'tunesmith_batch_rows_count{product="plain",version="1"} 50.0' in page
    watched.watch.forget("plain", "1")
    assert watched.watch.told("plain", "1") is None


def test_only_so_many_rows_a_second_are_looked_at(watched: Services) -> None:
    now = [0.0]
    watch = Watch(Drift(rows=50, step=1, per_second=5), watched.counts, lambda alert: None, clock=lambda: now[0])
    features = [{"row": 0, "input_ids": np.arange(5)}]
    for _ in range(40):
        watch.saw("p", "1", Path(), [{"text": "a"}], features, [{"label": "a", "score": 1.0}])
    now[0] = 1.0
    for _ in range(40):
        watch.saw("p", "1", Path(), [{"text": "a"}], features, [{"label": "a", "score": 1.0}])
    watch.flush()
    window = watch._windows["p", "1", Path()]
    assert window is not None and window.seen == 10
    watch.close()


def test_a_version_that_comes_again_is_held_to_its_own_rows(tmp_path: Path) -> None:
    """DELETE and PUT of one name: the other bundle was proven on other rows, or says nothing of them."""

    def proven_on(name: str, tokens: int) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        rows = [facts("late", [np.arange(tokens + i % 20)], {"label": "x", "score": 1.0}, None) for i in range(90)]
        baseline = baseline_of(rows, None)
        assert baseline is not None
        write_baseline(folder, baseline)
        return folder

    told: list[Alert] = []
    watch = Watch(Drift(rows=50, step=50, per_second=1e6), Counts(), told.append)

    def asked(folder: Path, tokens: int) -> None:
        for i in range(50):
            features = [{"row": 0, "input_ids": np.arange(tokens + i % 20)}]
            watch.saw("p", "2", folder, [{"text": "late"}], features, [{"label": "x", "score": 1.0}])
        watch.flush()

    asked(proven_on("old", 20), 20)
    watch.forget("p", "2")
    asked(new := proven_on("new", 200), 200)
    assert not told  # by the old one's rows it would be drift
    watch.forget("p", "2")
    (bare := tmp_path / "bare").mkdir()
    asked(bare, 20)
    asked(new, 20)
    assert [alert.name for alert in told] == ["drift"]  # a bundle without a baseline has not switched it off
    asked(bare, 20)
    write_baseline(bare, read_baseline(new))  # type: ignore[arg-type]
    watch.forget("p", "2")
    asked(bare, 20)
    assert len(told) == 2
    watch.close()


def test_failures_are_counted_by_code(made: Callable[..., Services]) -> None:
    services = made()
    with TestClient(make_app(services), raise_server_exceptions=False) as client:
        assert ask(client, "bug").status_code == 500 and ask(client, "broken").status_code == 422
        page = client.get("/metrics").text
    assert 'tunesmith_errors_total{code="internal_error",product="plain",version="1"} 1.0' in page
    tally = services.counts.tally("plain", "1")
    assert (tally.requests, tally.failed) == (2, 1)


def test_rules_look_at_shares_of_the_last_minute(told: list[Alert]) -> None:
    counts = Counts()
    rules = Rules(Alerts(errors=0.1, abstained=0.5), counts, [], told.append)  # type: ignore[arg-type]
    for i in range(40):
        counts.failed("p", "1", "overloaded", 503 if i < 10 else 422)
    rules.look()
    assert [alert.name for alert in told] == ["errors"] and told[0].facts == {"failed": 10, "requests": 40}
    for _ in range(40):
        counts.computed("p", "1", 1, [{"abstain": True, "human": "unsure"}])
    rules.look()
    assert [alert.name for alert in told] == ["errors", "abstained"]
    rules.look()
    assert len(told) == 2


def test_few_requests_a_minute_are_kept_until_they_are_enough(told: list[Alert]) -> None:
    counts = Counts()
    rules = Rules(Alerts(errors=0.1, abstained=0.5), counts, [], told.append)  # type: ignore[arg-type]
    at = []
    for minute in range(1, 11):
        counts.failed("p", "1", "internal_error", 500)
        for _ in range(4):
            counts.answered("p", "1", 1, 1, 0, {})
            counts.computed("p", "1", 1, [{"abstain": True, "human": "unsure"}])
        rules.look()
        at += [(minute, alert.name) for alert in told[len(at) :]]
    assert at == [(4, "errors"), (5, "abstained"), (8, "errors"), (10, "abstained")]
    assert told[0].facts == {"failed": 4, "requests": 20} and told[1].facts == {"abstained": 20, "answers": 20}


class Hook(BaseHTTPRequestHandler):
    got: list[Any] = []
    failures = 0

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if Hook.failures:
            Hook.failures -= 1
            self.send_error(503)
            return
        Hook.got.append(body)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def hook() -> Iterator[str]:
    Hook.got, Hook.failures = [], 0
    with HTTPServer(("127.0.0.1", 0), Hook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/alerts"
        server.shutdown()


def test_a_webhook_is_told_once_in_the_cooldown_and_again_after_a_failure(hook: str) -> None:
    now = [1000.0]
    teller = Teller(Alerts(webhook=hook, cooldown=60), clock=lambda: now[0])
    teller.pause = 0.01
    Hook.failures = 1
    for at in (1000, 1030, 1061):
        now[0] = at
        teller(Alert("drift", "反馈", "2", "行变了", {"rows": 500}))
    teller(Alert("errors", "反馈", "2", "other"))
    teller.flush()
    teller.close()
    assert [(one["alert"], one["at"]) for one in Hook.got] == [("drift", 1000), ("drift", 1061), ("errors", 1061)]
    assert Hook.got[0]["words"] == "行变了" and Hook.got[0]["rows"] == 500


def test_a_receiver_that_was_down_is_told_when_it_is_wrong_again() -> None:
    now, down, got = [1000.0], [True], {"chat": [], "mail": []}  # type: ignore[var-annotated]

    def chat(told: dict[str, Any]) -> None:
        if down[0]:
            raise http.client.RemoteDisconnected if told["alert"] == "drift" else http.client.BadStatusLine("x")
        got["chat"].append(told["alert"])

    teller = Teller(Alerts(), clock=lambda: now[0], sends=[chat, lambda told: got["mail"].append(told["alert"])])
    teller.pause = 0.001
    for name in ("errors", "drift"):
        teller(Alert(name, "p", "1", "words"))
    teller.flush()
    down[0] = False
    for _ in range(2):
        now[0] += 60
        for name in ("errors", "drift"):
            teller(Alert(name, "p", "1", "words"))
        teller.flush()
    teller.close()
    assert got == {"chat": ["errors", "drift"], "mail": ["errors", "drift"]}


class Mail(socketserver.StreamRequestHandler):
    got: list[str] = []

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            word = line[:4].upper()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                text = b""
                while (more := self.rfile.readline()) != b".\r\n":
                    text += more
                Mail.got.append(text.decode())
            self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 fine\r\n")
            if word == b"QUIT":
                return


def test_a_mail_server_is_told() -> None:
    Mail.got = []
    with socketserver.TCPServer(("127.0.0.1", 0), Mail) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings = Alerts(email=Email(server="127.0.0.1", port=server.server_address[1], to=["ann@example.com"]))
        teller = Teller(settings)
        teller(Alert("errors", "plain", "1", "It failed."))
        teller.flush()
        teller.close()
        server.shutdown()
    assert "Subject: [tunesmith] errors: plain 1" in Mail.got[0] and "It failed." in Mail.got[0]


@pytest.mark.parametrize("how", [{"port": 465}, {"port": 10465, "tls": "implicit"}])
def test_a_mail_server_that_speaks_tls_from_the_start(how: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    class Tls(smtplib.SMTP_SSL):
        def __init__(self, host: str, port: int, **more: Any) -> None:
            assert more["context"].verify_mode == ssl.CERT_REQUIRED
            done.append(f"tls {port}")

        def __exit__(self, *error: Any) -> None:
            pass

        def starttls(self, **more: Any) -> Any:
            raise smtplib.SMTPNotSupportedError("twice")

        def login(self, user: str, password: str, **more: Any) -> Any:
            done.append(user)

        def send_message(self, letter: Any, *args: Any, **more: Any) -> Any:
            done.append(letter["To"])

    monkeypatch.setattr(smtplib, "SMTP_SSL", Tls)
    monkeypatch.setenv("MAIL", "secret")
    by_mail(Email(user="me", password="MAIL", to=["a@example.com"], **how))(
        {"alert": "drift", "product": "p", "version": "1", "words": "w"}
    )
    assert done == [f"tls {how['port']}", "me", "a@example.com"]


def test_a_password_that_is_missing_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH", raising=False)
    with pytest.raises(RecipeError, match="NO_SUCH"):
        by_mail(Email(user="me", password="NO_SUCH", to=["a@example.com"]))


def test_a_webhook_leads_nowhere_else(hook: str) -> None:
    with pytest.raises(OSError):
        webhook(hook.replace("/alerts", "") + "x:/")({"a": 1})


def test_a_log_line_names_its_request_and_no_key() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    log = logging.Logger("tunesmith.test")
    log.addHandler(handler)
    token = current.set("req_1")
    log.warning("key %s is 坏的", "sk-abcdefghijklmnop1234")
    current.reset(token)
    try:
        raise ValueError("why")
    except ValueError:
        log.exception("outside")
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert first["request_id"] == "req_1" and "坏的" in first["message"] and "sk-abc" not in first["message"]
    assert "request_id" not in second and "ValueError: why" in second["error"]


def test_a_failure_is_logged_with_its_request(made: Callable[..., Services], caplog: Any) -> None:
    seen = []
    with caplog.at_level(logging.ERROR):
        logging.getLogger().addFilter(lambda record: True)
        handler = logging.Handler()
        handler.emit = lambda record: seen.append(current.get())  # type: ignore[method-assign]
        logging.getLogger("tunesmith.service.app").addHandler(handler)
        services = made()
        services.guard("plain").before = lambda rows: 1 / 0  # type: ignore[method-assign,assignment,return-value]
        with TestClient(make_app(services), raise_server_exceptions=False) as client:
            told = ask(client, "x")
        logging.getLogger("tunesmith.service.app").removeHandler(handler)
    assert told.status_code == 500 and seen == [told.json()["error"]["request_id"]]


def test_spans_of_a_request(made: Callable[..., Services]) -> None:
    memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    exporter = memory.InMemorySpanExporter()
    services = made()
    services.traces = Traces("", exporter)
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    with TestClient(make_app(services)) as client:
        asked = client.post("/v1/predict/plain", json={"text": "hello"}, headers={"traceparent": parent})
        services.traces.flush()
        spans = {span.name: span for span in exporter.get_finished_spans()}
    top = spans["predict plain"]
    assert top.attributes["request_id"] == asked.json()["request_id"] and top.attributes["rows"] == 1
    assert format(top.context.trace_id, "032x") == parent.split("-")[1]
    assert {"compute", "tokenise"} <= spans.keys() and spans["compute"].parent.span_id == top.context.span_id
    assert all("hello" not in str(value) for span in spans.values() for value in span.attributes.values())
