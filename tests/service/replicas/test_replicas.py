"""What several processes of one service share, and what they refuse; without Ray."""

from __future__ import annotations

import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tunesmith.core.errors import ExtraMissing, RecipeError
from tunesmith.service.app import make_app
from tunesmith.service.replicas import on_ray
from tunesmith.service.replicas.fit import anywhere, of_place, refuse_unshared
from tunesmith.service.replicas.metrics_port import metrics_at
from tunesmith.service.replicas.on_ray import free_port, serve_on_ray
from tunesmith.service.replicas.place import Place
from tunesmith.service.services import Services
from tunesmith.service.settings import Catalog, checked

POSTGRESQL = "postgresql+psycopg://me@host/name"


def catalog(**values: Any) -> Catalog:
    return checked({"products": {"p": "out/p"}, **values}, "catalog.yaml")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"server": {"open": False}}, "store is a file of one machine"),
        ({"store": "sqlite:///a.db"}, "store is a file of one machine"),
        ({"store": POSTGRESQL, "server": {"open": False}, "plans": {"free": {}}}, "limits are counted in each process"),
    ],
)
def test_what_each_would_count_for_itself_is_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        refuse_unshared(catalog(**values))
    refuse_unshared(catalog(**values, replicas={"most": 1}))
    several = {**values, "server": {**values.get("server", {}), "alone": False}}
    with pytest.raises(RecipeError, match=said):
        refuse_unshared(catalog(**several, replicas={"most": 1}))


def test_what_is_shared_is_served() -> None:
    shared = {"store": POSTGRESQL, "server": {"open": False}, "plans": {"free": {}}, "limits": "redis://host:6379"}
    for values in (
        {},
        {**shared, "store": "postgres://me@host/name"},
        shared,
        {**shared, "plans": {}, "limits": "memory://"},
    ):
        refuse_unshared(catalog(**values))
    with pytest.raises(RecipeError, match="least is 5, and most only 2"):
        catalog(replicas={"least": 5, "most": 2})


def test_a_replica_that_begins_elsewhere_finds_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given = catalog(store="sqlite:///a.db", request_log={"path": "requests.jsonl"})
    found = anywhere(given)
    assert found.products["p"].versions["1"] == tmp_path / "out/p"
    assert found.server.folder == tmp_path / "tunesmith-service" and found.store == f"sqlite:///{tmp_path}/a.db"
    assert anywhere(found) == found
    log = of_place(found, 2).request_log
    assert log is not None and log.path == tmp_path / "requests-2.jsonl"
    assert of_place(catalog(), 2) == catalog()


def test_a_place_is_the_lowest_that_is_free(tmp_path: Path) -> None:
    first, second, third = (Place(tmp_path) for _ in range(3))
    assert [one.number for one in (first, second, third)] == [0, 1, 2]
    second.free()
    assert Place(tmp_path).number == 1


def test_what_would_change_one_of_several_is_refused(made: Callable[..., Services]) -> None:
    services = made()
    services.alone, services.behind_proxy = False, True
    with TestClient(make_app(services)) as client:
        for method, path in (
            ("PUT", "/admin/products/plain/versions/2"), ("PUT", "/admin/products/plain"),
            ("POST", "/admin/products/plain/rollback"), ("DELETE", "/admin/products/plain/versions/1"),
            ("GET", "/v1/files"), ("GET", "/v1/batches"), ("GET", "/metrics"),
        ):  # fmt: skip
            body = {"bundle": "/x"} if "versions" in path else {"stable": "1"}
            answer = client.request(method, path, json=body if method == "PUT" else None)
            assert (answer.status_code, answer.json()["error"]["code"]) == (409, "several_replicas"), path
        assert client.get("/admin/products").status_code == 200
        assert client.post("/v1/predict/plain", json={"text": "abc"}).json()["prediction"]["label"] == "3"


def test_a_pod_is_scraped_by_itself(made: Callable[..., Services]) -> None:
    services = made()
    services.alone = False
    with TestClient(make_app(services)) as client:
        assert client.get("/metrics").status_code == 200 and client.get("/v1/files").status_code == 409


def test_each_tells_prometheus_its_own(made: Callable[..., Services]) -> None:
    services = made()
    services.counts.failed("plain", "1", "too_late", 503)
    server = services.metrics = metrics_at(services, "127.0.0.1", 0)
    place = f"http://127.0.0.1:{server.server_port}"
    with urllib.request.urlopen(f"{place}/metrics") as answer:
        assert b'tunesmith_errors_total{code="too_late",product="plain",version="1"} 1.0' in answer.read()
        assert answer.headers["content-type"].startswith("text/plain; version=")
    with pytest.raises(OSError, match="404"):
        urllib.request.urlopen(f"{place}/other")
    services.close()
    with pytest.raises(OSError):
        urllib.request.urlopen(f"{place}/metrics")


def test_without_ray_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ExtraMissing, match="ray is not installed; it is needed for tunesmith serve --on ray") as why:
        serve_on_ray(catalog(), print)
    assert why.value.hint == 'Run: pip install "tunesmith[ray]"'
    assert free_port("127.0.0.1", 0) > 0


@pytest.mark.parametrize("logs", ["json", "text"])
def test_a_replica_logs_as_the_catalog_says(
    logs: str, made: Callable[..., Services], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[str] = []
    monkeypatch.setattr(on_ray, "to_json_lines", lambda: called.append("json"))
    monkeypatch.setattr(on_ray, "build", lambda catalog: made())
    monkeypatch.setattr(on_ray, "calm_process", lambda: None)
    monkeypatch.setattr("tunesmith.core.runtime.calm_threads", lambda: None)
    given = catalog(watch={"logs": logs}, server={"folder": str(tmp_path)}, replicas={"metrics_port": None})
    on_ray.replica(given)
    assert called == (["json"] if logs == "json" else [])
