"""Keys, plans and usage over HTTP, and what one key tries against another."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from fastapi.testclient import TestClient
from sqlalchemy.exc import OperationalError

from tunesmith.service.answers import Answers
from tunesmith.service.app import make_app
from tunesmith.service.auth import KeyRing
from tunesmith.service.keys.secret import NewKey
from tunesmith.service.metering.meter import Meter
from tunesmith.service.metering.tick import TickMeter
from tunesmith.service.quotas import Quotas
from tunesmith.service.services import Services

ADMIN = {"authorization": "Bearer an-admin-key-of-a-test-0123456789"}
CATALOG = {
    "products": {"plain": "plain", "secret": "secret"},
    "plans": {"small": {"requests": {"minute": 3}, "price": {"request": "0.5"}}, "large": {}},
}


class Shop:
    """A running service with its keys."""

    def __init__(self, services: Services, client: TestClient, meter: Meter) -> None:
        assert isinstance(services.keys, KeyRing)
        self.services, self.client, self.meter, self.ring = services, client, meter, services.keys

    def ask(self, key: NewKey | None, product: str = "plain", text: str = "hello", **headers: str) -> Any:
        told = {"authorization": f"Bearer {key.text}"} if key else {}
        return self.client.post(f"/v1/predict/{product}", json={"text": text}, headers={**told, **headers})

    def admin(self, method: str, path: str, **more: Any) -> Any:
        return self.client.request(method, f"/admin/{path}", headers=ADMIN, **more)

    def counted(self) -> dict[str, int]:
        self.meter.settle()
        return {row["key"]: row["requests"] for row in self.admin("GET", "usage?by=key").json()["usage"]}


@pytest.fixture
def shop(
    made: Callable[..., Services], store: sqlalchemy.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shop]:
    monkeypatch.setenv("TUNESMITH_ADMIN_KEY", ADMIN["authorization"].removeprefix("Bearer "))
    services = made(CATALOG)
    meter = Meter(store, tmp_path / "usage")
    services.store, services.keys, services.meter = store, KeyRing(store), TickMeter(meter)
    services.allowance = Quotas(services.catalog.plans)
    with TestClient(make_app(services), raise_server_exceptions=False) as client:
        yield Shop(services, client, meter)


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_no_key_no_answer(shop: Shop) -> None:
    assert code(shop.ask(None)) == (401, "missing_api_key")
    assert code(shop.client.get("/v1/models")) == (401, "missing_api_key")
    assert shop.counted() == {}


def test_a_key_cannot_ask_or_see_another_product(shop: Shop) -> None:
    key = shop.ring.make("one", products=["plain"])
    assert shop.ask(key).status_code == 200
    hidden, absent = shop.ask(key, "secret"), shop.ask(key, "absent")
    assert hidden.status_code == 404
    assert (
        str(hidden.json()).replace("secret", "x").partition("request_id")[0]
        == (str(absent.json()).replace("absent", "x").partition("request_id")[0])
    )
    headers = {"authorization": f"Bearer {key.text}"}
    assert [one["id"] for one in shop.client.get("/v1/models", headers=headers).json()["data"]] == ["plain"]
    assert shop.counted() == {key.id: 1}


def test_a_key_cannot_spend_what_is_anothers(shop: Shop) -> None:
    one, other = shop.ring.make("one", plan="small"), shop.ring.make("other", plan="small")
    assert [shop.ask(one).status_code for _ in range(5)] == [200, 200, 200, 429, 429]
    refused = shop.ask(one)
    assert code(refused) == (429, "rate_limit_exceeded")
    assert 1 <= int(refused.headers["retry-after"]) <= 60 and "3 requests a minute" in refused.text
    assert [shop.ask(other).status_code for _ in range(3)] == [200] * 3
    assert shop.counted() == {one.id: 3, other.id: 3}


def test_a_key_is_not_taken_from_anywhere_else(shop: Shop) -> None:
    """Names of keys in other headers, in the query and in the body put nothing on another's bill."""
    one, other = shop.ring.make("one"), shop.ring.make("other")
    claims = {"x-api-key": other.text, "x-key": other.id, "x-forwarded-user": other.id, "cookie": f"key={other.text}"}
    assert shop.ask(one, **claims).status_code == 200
    assert shop.client.post(
        f"/v1/predict/plain?key={other.id}", json={"text": "a"}, headers={"authorization": f"Bearer {one.text}"}
    ).status_code in (200, 422)
    assert other.id not in shop.counted()
    assert code(shop.ask(None, **claims))[0] == 401
    mixed = NewKey(one.id, f"ts_{one.id}_{other.text.rpartition('_')[2]}")
    assert code(shop.ask(mixed)) == (401, "invalid_api_key")


def test_the_same_idempotency_key_of_two_keys_is_two_requests(shop: Shop) -> None:
    one, other = shop.ring.make("one"), shop.ring.make("other")
    for key in (one, other, one):
        assert shop.ask(key, **{"idempotency-key": "order-17"}).status_code == 200
    assert shop.counted() == {one.id: 1, other.id: 1}


def test_one_idempotency_key_does_not_pay_for_many_questions(shop: Shop) -> None:
    key = shop.ring.make("one")
    for text in ("a", "b", "好", "a"):
        assert shop.ask(key, text=text, **{"idempotency-key": "always"}).status_code == 200
    assert shop.counted() == {key.id: 3}


def test_the_description_shows_a_key_its_own_products(shop: Shop) -> None:
    def shown(key: NewKey | None) -> set[str]:
        headers = {"authorization": f"Bearer {key.text}"} if key else {}
        paths = shop.client.get("/openapi.json", headers=headers).json()["paths"]
        return {path.rpartition("/")[2] for path in paths if path.startswith("/v1/predict/")}

    every = {product.name for product in shop.services.products}
    assert shown(shop.ring.make("one", products=["plain"])) == {"plain"} < every
    assert shown(shop.ring.make("all")) == every and shown(None) == set()


def test_only_the_admin_is_an_admin(shop: Shop) -> None:
    """Every path below /admin, with every method that it has, now and later."""
    key = shop.ring.make("one")
    tried = 0
    paths = make_app(shop.services).openapi()["paths"]
    for path, methods in paths.items():
        for method in methods if path.startswith("/admin") else ():
            place = path.replace("{", "").replace("}", "")
            headers = {"authorization": f"Bearer {key.text}"}
            for body in ({}, {"name": "mine"}):
                assert code(shop.client.request(method, place, json=body))[0] == 401, (method, path)
                assert code(shop.client.request(method, place, json=body, headers=headers))[0] == 403, (method, path)
            tried += 1
    assert tried >= 12
    assert [made.name for made in shop.ring.all()] == ["one"] and shop.ring.all()[0].state() == "active"


def test_the_admin_asks_no_product(shop: Shop) -> None:
    answer = shop.client.post("/v1/predict/plain", json={"text": "a"}, headers=ADMIN)
    assert answer.status_code == 404


def test_a_keys_life(shop: Shop) -> None:
    answer = shop.admin("POST", "keys", json={"name": "王记", "products": ["plain"], "plan": "small"})
    told = answer.json()
    assert answer.status_code == 201 and answer.headers["cache-control"] == "no-store"
    key = NewKey(told["id"], told["key"])
    assert shop.ask(key).status_code == 200
    rotated = shop.admin("POST", f"keys/{key.id}/rotate", json={"grace": 60}).json()
    renewed = NewKey(key.id, rotated["key"])
    assert [shop.ask(one).status_code for one in (key, renewed)] == [200, 200]
    assert shop.admin("DELETE", f"keys/{key.id}").json()["state"] == "revoked"
    assert [code(shop.ask(one)) for one in (key, renewed)] == [(401, "revoked_api_key")] * 2
    (listed,) = shop.admin("GET", "keys").json()["keys"]
    assert listed["name"] == "王记" and "key" not in listed
    assert key.text not in json.dumps(listed) and shop.counted() == {key.id: 3}


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "keys", {"name": ""}, 422),
        ("POST", "keys", {"name": "a", "plan": "smal"}, 422),
        ("POST", "keys", {"name": "a", "products": ["plan"]}, 422),
        ("POST", "keys", {"name": "a", "products": []}, 422),
        ("POST", "keys", {"name": "a", "expires_in": -1}, 422),
        ("POST", "keys", {"name": "a", "expires_in": 1e300}, 422),
        ("POST", "keys", {"name": "a", "admin": True}, 422),
        ("POST", "keys", [], 422),
        ("DELETE", "keys/nobody", None, 404),
        ("POST", "keys/nobody/rotate", {}, 404),
        ("POST", "keys/nobody/rotate", {"grace": 1e300}, 422),
        ("DELETE", "keys/..%2F", None, 404),
        ("GET", "usage?by=secrets", None, 422),
        ("GET", "usage?since=yesterday", None, 422),
        ("GET", "usage?since=2026-02-01&until=2026-01-01", None, 422),
        ("GET", "invoice.csv", None, 422),
        ("GET", "invoice.csv?month=2026-13", None, 422),
    ],
)
def test_mistakes_of_an_admin(shop: Shop, method: str, path: str, body: Any, status: int) -> None:
    answer = shop.admin(method, path, json=body)
    assert answer.status_code == status and answer.json()["error"]["message"]
    assert shop.ring.all() == []


def test_a_slip_in_a_name_is_told(shop: Shop) -> None:
    assert 'Did you mean "small"' in shop.admin("POST", "keys", json={"name": "a", "plan": "smal"}).text.replace(
        "\\", ""
    )


def test_usage_as_csv_and_as_invoice(shop: Shop) -> None:
    key = shop.ring.make("=cmd", plan="small")
    for _ in range(2):
        shop.ask(key)
    shop.meter.settle()
    answer = shop.admin("GET", "usage.csv?by=key,product,version")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert (row["key"], row["product"], row["requests"]) == (key.id, "plain", "2")
    month = shop.admin("GET", "usage?by=month").json()["usage"][0]["month"]
    lines = list(csv.DictReader(io.StringIO(shop.admin("GET", f"invoice.csv?month={month}").text)))
    assert [(line["name"], line["item"], line["amount"]) for line in lines][1] == ("'=cmd", "requests", "1.00")


def test_nothing_is_answered_that_is_not_written_down(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: object) -> None:
        raise OSError(28, "No space left on device", "/var/lib/usage")

    key = shop.ring.make("one")
    monkeypatch.setattr(shop.meter, "write", full)
    refused = shop.ask(key)
    assert code(refused) == (503, "metering_unavailable") and "/var/lib" not in refused.text
    monkeypatch.undo()
    assert shop.ask(key).status_code == 200 and shop.counted() == {key.id: 1}


def test_no_secret_is_in_an_answer_or_a_log(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    key = shop.ring.make("one")
    shop.ring.revoke(key.id)
    with caplog.at_level("DEBUG"):
        told = shop.ask(key).text + shop.ask(NewKey("x", f"{key.text}0")).text + shop.admin("GET", "keys").text
    secret = key.text.rpartition("_")[2]
    assert secret not in told and secret not in caplog.text
    assert ADMIN["authorization"].removeprefix("Bearer ") not in caplog.text


def test_the_first_look_at_keys_is_not_made_by_the_event_loop(shop: Shop) -> None:
    """A store that hangs would hold up everybody: it is made before the service is ready, in a thread."""
    assert shop.ring._ticker._thread is not None


def test_a_store_that_is_away_is_told_as_one_that_comes_back(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    key = shop.ring.make("one")
    shop.services.answers = Answers(shop.services.store)  # type: ignore[arg-type]

    def away(*args: Any, **more: Any) -> Any:
        raise OperationalError("SELECT a secret", None, OSError("no route"))

    with monkeypatch.context() as patched:
        patched.setattr(shop.services.store, "connect", away)
        headers = {"authorization": f"Bearer {key.text}"}
        said = shop.client.post("/v1/feedback", json={"request_id": "r", "right": "x"}, headers=headers)
        for answer in (said, shop.admin("GET", "usage"), shop.admin("POST", "keys", json={"name": "two"})):
            assert code(answer) == (503, "store_unavailable") and answer.headers["retry-after"] == "2"
            assert "secret" not in answer.text
    assert shop.admin("GET", "usage").status_code == 200
