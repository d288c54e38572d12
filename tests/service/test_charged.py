"""What is charged is what was answered: refusals use nothing up, failures are written down as such."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
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
from tunesmith.service.invoice import invoice
from tunesmith.service.metering.meter import Meter
from tunesmith.service.metering.tick import TickMeter
from tunesmith.service.problems import Refused
from tunesmith.service.quotas import Quotas, _name
from tunesmith.service.safety.guard import Guard
from tunesmith.service.safety.policy import Policy
from tunesmith.service.services import Services
from tunesmith.service.usage import usage

CATALOG = {
    "products": {"plain": "plain", "moods": "moods", "vectors": "vectors"},
    "plans": {"small": {"requests": {"day": 100}, "tokens": {"day": 10_000}, "price": {"request": "0.5"}}},
}
LONG = "the room was good and the food was not so bad"


class Seen:
    """Stands for who watches."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def saw(self, product: str, version: str, folder: Path, rows: Any, features: Any, answers: Any) -> None:
        assert len(rows) == len(answers)
        self.texts += [row["text"] for row in rows]

    def close(self) -> None: ...


class Shop:
    """A service with one key."""

    def __init__(self, services: Services, client: TestClient, key: Any) -> None:
        self.services, self.client, self.key = services, client, key

    def ask(self, path: str, **body: Any) -> Any:
        headers = {"authorization": f"Bearer {self.key.text}"}
        return self.client.post(f"/v1/{path}", json=body, headers=headers)

    def used(self) -> dict[str, int]:
        assert self.services.meter is not None and self.services.store is not None
        self.services.meter.meter.settle()  # type: ignore[attr-defined]
        return usage(self.services.store, by=())[0]

    def left(self, what: str) -> int:
        """Of the day, of this key."""

        quotas: Any = self.services.allowance
        name = _name(Caller(self.key.id), what, window("day", quotas._clock()))
        return {"requests": 100, "tokens": 10_000}[what] - int(asyncio.run(quotas._counters.get(name)))


@pytest.fixture
def shop(made: Callable[..., Services], sqlite_store: Engine, tmp_path: Path) -> Iterator[Shop]:
    services = made(CATALOG)
    services.store, services.keys = sqlite_store, KeyRing(sqlite_store)
    services.allowance = Quotas(services.catalog.plans)
    services.meter = TickMeter(Meter(sqlite_store, tmp_path / "usage", every=60))
    services.answers = Answers(sqlite_store)
    services.guards["moods"] = Guard(Policy(keep=True))
    key = services.keys.make("one", plan="small")
    with TestClient(make_app(services), raise_server_exceptions=False) as client:
        yield Shop(services, client, key)


def test_a_label_that_is_not_there_costs_and_computes_nothing(shop: Shop, tasks: dict[str, Any]) -> None:
    refused = shop.ask("explain", model="moods", text=LONG, label="goood")
    assert refused.status_code == 422 and 'Did you mean \\"good\\"' in refused.text
    assert shop.used()["requests"] == 0 and shop.left("tokens") == 10_000
    told = shop.ask("explain", model="moods", text="a good room", label="good").json()
    assert shop.used()["tokens"] == told["usage"]["tokens"] == 10_000 - shop.left("tokens")
    tasks["moods"].labels = []  # a task that does not say what it knows: its answer does, before it is charged
    assert shop.ask("explain", model="moods", text=LONG, label="goood").status_code == 422
    assert shop.used()["requests"] == 1


def test_a_width_that_is_not_the_vectors_costs_nothing(shop: Shop) -> None:
    assert shop.ask("embeddings", model="vectors", input="cat", dimensions=256).status_code == 400
    assert shop.used()["requests"] == 0 and shop.left("tokens") == 10_000
    assert shop.ask("embeddings", model="vectors", input="cat", dimensions=2).status_code == 200
    assert shop.used()["requests"] == 1


def test_what_cannot_be_written_down_uses_nothing_up(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shop.services.meter.meter, "write", full)  # type: ignore[union-attr]
    assert [shop.ask("predict/plain", text="hello").status_code for _ in range(3)] == [503] * 3
    assert (shop.left("requests"), shop.left("tokens")) == (100, 10_000)
    monkeypatch.undo()
    assert shop.ask("predict/plain", text="hello").status_code == 200
    assert (shop.left("requests"), shop.left("tokens")) == (99, 9_995)


def test_a_retry_under_the_client_s_own_id_uses_nothing_up(shop: Shop) -> None:
    """As in its usage: the same question under the same id is one, another question is another."""

    def ask(id: str, text: str) -> None:
        headers = {"authorization": f"Bearer {shop.key.text}", "idempotency-key": id}
        assert shop.client.post("/v1/predict/plain", json={"text": text}, headers=headers).status_code == 200

    for _ in range(3):
        ask("order-17", "hello")
    assert shop.used()["requests"] == 1 and (shop.left("requests"), shop.left("tokens")) == (99, 9_995)
    ask("order-17", "other")
    ask("order-18", "hello")
    assert shop.used()["requests"] == 3 and (shop.left("requests"), shop.left("tokens")) == (97, 9_985)


def test_a_filter_that_cannot_be_asked_uses_nothing_up(shop: Shop) -> None:
    def busy(_: object) -> Any:
        raise Refused(503, "overloaded", "The filter's own product has too much to do.")

    shop.services.guard("plain").before = busy  # type: ignore[method-assign,assignment]
    assert shop.ask("predict/plain", text="hello").status_code == 503
    assert shop.left("requests") == 100


def test_what_is_not_admitted_is_not_given_back(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: object) -> None:
        raise Refused(503, "limits_unavailable", "Redis is away.")

    assert shop.ask("predict/plain", text="hello").status_code == 200
    monkeypatch.setattr(shop.services.allowance, "admit", away)
    assert shop.ask("predict/plain", text="hello").status_code == 503
    assert shop.left("requests") == 99


def test_what_we_fail_at_is_counted_as_failed_and_not_invoiced(shop: Shop) -> None:
    statuses = [shop.ask("predict/plain", text=text).status_code for text in ("bug", "hello", "bug")]
    assert statuses == [500, 200, 500]
    guard = shop.services.guard("plain")
    guard.after = lambda given: 1 / 0  # type: ignore[method-assign,assignment,return-value]
    assert shop.ask("predict/plain", text="hello").status_code == 500
    found = shop.used()
    assert (found["requests"], found["failed"], found["rows"], found["tokens"]) == (4, 3, 1, 5)
    assert shop.services.store is not None
    month = usage(shop.services.store, by=("month",))[0]["month"]
    lines = invoice(shop.services.store, shop.services.catalog.plans, month)
    assert [int(line["quantity"]) for line in lines if line["item"] == "requests"] == [1]
    again = Quotas(shop.services.catalog.plans)  # after a restart a plan knows what it knew before
    again.seed(shop.services.store)
    before, shop.services.allowance = shop.left("requests"), again
    assert shop.left("requests") == before


def test_what_explains_an_answer_is_no_answer(shop: Shop) -> None:
    """Texts with a word left out are nobody's: they are charged, and neither watched nor remembered."""
    shop.services.watch = seen = Seen()  # type: ignore[assignment]
    told = shop.ask("explain", model="moods", text=LONG).json()
    assert len(told["words"]) == 11 and shop.used()["rows"] == 12
    assert seen.texts == [LONG] and shop.services.counts.tally("moods", "1").answers == 1
    assert shop.services.answers is not None
    shop.services.answers.flush()
    kept = shop.services.answers.find(shop.key.id, told["request_id"])
    assert kept is not None and kept.rows == [{"text": LONG}] and len(kept.predictions) == 1
