from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from fastapi.testclient import TestClient

from tunesmith.service.app import make_app
from tunesmith.service.middleware.layers import layered
from tunesmith.service.problems import Refused
from tunesmith.service.run import layers_of
from tunesmith.service.services import Services


def test_what_is_full_is_refused_before_anything_is_read(made: Callable[..., Services]) -> None:
    services = made({"products": {"plain": "plain", "other": "other"}})
    services.keys = SimpleNamespace(start=lambda: None)  # type: ignore[assignment]  # nobody looks at the key
    full = {"plain": Refused(503, "overloaded", "too much", retry_after=2.4)}
    with TestClient(layered(make_app(services), full=full.get), raise_server_exceptions=False) as client:
        answer = client.post("/v1/predict/plain", content=b"{")
        assert answer.status_code == 503 and answer.headers["retry-after"] == "3"
        assert answer.json()["error"]["code"] == "overloaded" and "connection" not in answer.headers
        assert client.post("/v1/predict/other", content=b"{").status_code == 500  # it went on
        services.keys = None


def test_a_product_says_when_it_is_full(made: Callable[..., Services], monkeypatch: pytest.MonkeyPatch) -> None:
    services = made()
    services.products.load()
    engine = services.products.of("plain").stable.engine
    assert services.products.full("plain") is None and services.products.full("nothing") is None
    monkeypatch.setattr(engine, "wait_expected", lambda: 100.0)
    told = services.products.full("plain")
    assert told is not None and told.status == 503
    with TestClient(layers_of(services)) as client:
        assert client.post("/v1/predict/plain", content=b"{").status_code == 503
        page = client.get("/metrics").text
    assert 'tunesmith_errors_total{code="overloaded",product="plain",version="1"} 1.0' in page
