"""Malformed requests made from our own OpenAPI: none is answered with 500, none hangs, all refusals have one shape."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine
from tests.service.conftest import Lengths

from tunesmith.service.answers import Answers
from tunesmith.service.run import layers_of
from tunesmith.service.services import Services
from tunesmith.testing.malformed import malformed

COUNT = int(os.environ.get("TUNESMITH_FUZZ", "600"))


class Scored(Lengths):
    """As a classifier answers."""

    def decode(self, outputs: Any, features: Any) -> list[dict[str, Any]]:
        texts = super().decode(outputs, features)
        return [{"label": "long", "score": 1.0, "scores": {"long": 1.0, "short": 0.0}} for _ in texts]


@pytest.fixture
def asked(
    made: Callable[..., Services], tasks: dict[str, Lengths], sqlite_store: Engine, tmp_path: Path
) -> Iterator[TestClient]:
    tasks["plain"] = Scored()
    services = made({"products": {"plain": "plain", "vectors": "vectors"}, "server": {"folder": str(tmp_path / "s")}})
    services.answers = Answers(sqlite_store)
    with TestClient(layers_of(services), raise_server_exceptions=False) as client:  # type: ignore[arg-type]
        yield client


def test_no_500_and_one_shape_of_refusals(asked: TestClient) -> None:
    description = asked.get("/openapi.json").json()
    assert {"/v1/feedback", "/v1/files", "/v1/batches", "/v1/predict/plain"} <= description["paths"].keys()
    statuses: dict[int, int] = {}
    for one in malformed(description, COUNT):
        headers = {name: value.encode("latin-1") for name, value in one.headers.items()}
        said = asked.request(one.method, one.path, content=one.body, headers=headers)
        statuses[said.status_code] = statuses.get(said.status_code, 0) + 1
        shown = f"{one} -> {said.status_code} {said.text[:300]}"
        assert said.status_code < 500 or said.status_code == 503, shown
        if said.status_code >= 400 and one.method != "HEAD":
            error: dict[str, Any] = json.loads(said.text)["error"]
            assert error["message"] and error["code"] and error["type"] and "Traceback" not in said.text, shown
    assert len(statuses) > 4, statuses  # it does get beyond the first door


def test_the_same_seed_gives_the_same_requests(asked: TestClient) -> None:
    description = asked.get("/openapi.json").json()
    assert list(malformed(description, 50, seed=3)) == list(malformed(description, 50, seed=3))
    assert list(malformed(description, 50, seed=3)) != list(malformed(description, 50, seed=4))
