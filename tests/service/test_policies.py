"""A product's policy, from the catalog to the answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from tests.service.conftest import Lengths

from tunesmith.core.errors import DataError, RecipeError
from tunesmith.service.problems import Refused
from tunesmith.service.request_log import LogSettings, RequestLog
from tunesmith.service.run import classifier, layers_of
from tunesmith.service.safety.guard import Guard
from tunesmith.service.services import Services

POLICIES = {
    "strict": {
        "limits": {"rows": 3, "characters": 100, "tokens": 20},
        "prompts": [
            {"name": "insults", "words": ["idiot", "笨蛋"], "action": "block"},
            {"name": "house", "words": ["acme"], "action": "mask"},
            {"name": "long", "classifier": "judge", "labels": ["judge/13"], "action": "flag"},
        ],
    }
}


@pytest.fixture
def services(made: Callable[..., Services], tmp_path: Path) -> Services:
    products = {"plain": {"versions": {"1": "plain"}, "policy": "strict"}, "judge": "judge"}
    services = made({"products": products, "policies": POLICIES})
    for name in products:
        services.guards[name] = Guard(services.catalog.policy(name), classifier(services))
    services.log = RequestLog(LogSettings(path=tmp_path / "log.jsonl", texts=True))
    return services


@pytest.fixture
def asked(services: Services) -> Iterator[Callable[..., Any]]:
    with TestClient(layers_of(services)) as client:  # type: ignore[arg-type]
        yield lambda *texts: client.post("/v1/predict/plain", json={"rows": [{"text": text} for text in texts]})


def test_blocked_masked_flagged(asked: Callable[..., Any], tasks: dict[str, Lengths], services: Services) -> None:
    said = asked("fine", "你这笨蛋")
    assert said.status_code == 400 and said.json()["error"]["code"] == "content_filter"
    assert not tasks["plain"].batches
    told = asked("an Acme", "thirteen char").json()
    assert [(f["row"], f["filter"], f["action"]) for f in told["flags"]] == [(0, "house", "mask"), (1, "long", "flag")]
    services.log.flush()  # type: ignore[union-attr]
    first, second = map(json.loads, services.log.settings.path.read_text("utf-8").splitlines())  # type: ignore[union-attr]
    assert (first["status"], first["code"]) == (400, "content_filter") and "asked" not in first
    assert second["asked"] == [{"text": "an ****"}, {"text": "thirteen char"}] and len(second["flags"]) == 2


@pytest.mark.parametrize(
    ("why", "status"),
    [
        (Refused(503, "overloaded", "Full."), 503),
        (Refused(422, "unreadable_rows", "No."), 500),
        (DataError("No."), 500),
    ],
)
def test_a_filter_that_is_not_answered_is_the_service_s_fault(
    asked: Callable[..., Any], services: Services, monkeypatch: Any, why: Exception, status: int
) -> None:
    def refuses(*args: Any, **more: Any) -> Any:
        raise why

    monkeypatch.setattr(services.products.of("judge").stable.engine, "submit", refuses)
    said = asked("fine")
    assert said.status_code == status and said.json()["error"]["code"] == "filter_unavailable"
    assert "judge" not in said.text
    tally = services.counts.tally("plain", "1")
    assert (tally.requests, tally.failed) == (1, 1)


def test_a_slip_in_a_classifier_s_name_is_found_at_the_start(made: Callable[..., Services]) -> None:
    one = {"name": "long", "classifier": "jugde", "labels": ["13"]}
    for where in ("prompts", "outputs"):
        with pytest.raises(RecipeError, match='asks the product "jugde"') as caught:
            made({"products": {"plain": "plain", "judge": "judge"}, "policies": {"strict": {where: [one]}}})
        assert 'Did you mean "judge"' in str(caught.value)


def test_limits(asked: Callable[..., Any]) -> None:
    assert asked("x" * 20).status_code == 200
    for texts in (["a"] * 4, ["x" * 101], ["x" * 21]):
        said = asked(*texts)
        assert said.status_code == 413 and said.json()["error"]["code"] == "too_large", texts
    assert "21 tokens" in said.json()["error"]["message"]
