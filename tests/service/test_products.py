from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tunesmith.core.errors import BundleError, TunesmithError
from tunesmith.service import kept
from tunesmith.service.app import make_app
from tunesmith.service.opening import refuse_unproven
from tunesmith.service.services import Services

TWO: dict[str, Any] = {"products": {"p": {"versions": {"1": "one", "2": "two"}, "stable": "1"}}}


def asked(client: TestClient, request_id: str = "a") -> str:
    answer = client.post("/v1/predict/p", json={"text": "abc"}, headers={"Idempotency-Key": request_id})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["prediction"]["label"])


def test_swap_and_rollback(made: Callable[..., Services]) -> None:
    with TestClient(make_app(made(TWO))) as client:
        assert asked(client) == "one/3"
        told = client.put("/admin/products/p", json={"stable": "2"}).json()
        assert told["route"]["stable"] == "2" and asked(client) == "two/3"
        assert client.post("/admin/products/p/rollback").json()["route"]["stable"] == "1"
        assert asked(client) == "one/3"


def test_a_canary_gets_its_share_and_an_id_always_the_same(made: Callable[..., Services]) -> None:
    canary = {"stable": "1", "canary": {"version": "2", "share": 0.25}}
    with TestClient(make_app(made(TWO))) as client:
        client.put("/admin/products/p", json=canary)
        found = [asked(client, f"request-{i}") for i in range(400)]
        assert 70 <= found.count("two/3") <= 130 and found.count("one/3") + found.count("two/3") == 400
        assert [asked(client, f"request-{i}") for i in range(40)] == found[:40]


def test_a_shadow_is_compared_and_never_answers(made: Callable[..., Services]) -> None:
    with TestClient(make_app(made(TWO))) as client:
        client.put("/admin/products/p", json={"stable": "1", "shadow": "2"})
        assert {asked(client, str(i)) for i in range(5)} == {"one/3"}
        page = client.get("/metrics").text
        assert 'tunesmith_shadow_total{product="p",same="false",version="2"}' in page


def test_load_and_unload(made: Callable[..., Services], tasks: dict[str, Any]) -> None:
    with TestClient(make_app(made(TWO))) as client:
        assert client.put("/admin/products/p/versions/3", json={"bundle": "/x/three"}).status_code == 201
        assert asked(client) == "one/3"  # nobody is sent there yet
        assert client.delete("/admin/products/p/versions/1").status_code == 409  # it answers
        client.put("/admin/products/p", json={"stable": "3"})
        assert asked(client) == "three/3"
        gauge = 'tunesmith_waiting_tokens{product="p",version="1"}'
        assert gauge in client.get("/metrics").text
        assert client.delete("/admin/products/p/versions/1").json()["versions"]["1"]["loaded"] is False
        assert gauge not in client.get("/metrics").text  # it would stand at its last value for ever
        assert client.put("/admin/products/p", json={"stable": "9"}).json()["error"]["code"] == "no_such_version"
        assert client.put("/admin/products/new/versions/1", json={"bundle": "/x/new"}).status_code == 201
        assert client.post("/v1/predict/new", json={"text": "abc"}).json()["prediction"]["label"] == "new/3"


@pytest.mark.parametrize("text", ["", "[1]", '{"p": {}}', '{"p": {"versions": 1, "route": {}, "before": null}}'])
def test_a_damaged_file_of_changes_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "products.json").write_text(text, "utf-8")
    with pytest.raises(TunesmithError, match="products.json is damaged"):
        kept.read(tmp_path / "products.json")


@pytest.mark.parametrize("folder", ["a" * 5000, "nul\0", ""])
def test_a_folder_that_cannot_be_is_a_refusal(tmp_path: Path, folder: str) -> None:
    from tunesmith.service.monitoring import Counts
    from tunesmith.service.products import Products
    from tunesmith.service.settings import Batching, checked

    catalog = checked({"products": {"p": str(tmp_path)}}, "catalog")
    services = Services(catalog, Products(catalog.products, Batching(), None), Counts())
    services.products.load = lambda: None  # type: ignore[method-assign]
    with TestClient(make_app(services), raise_server_exceptions=False) as client:
        answer = client.put("/admin/products/new/versions/1", json={"bundle": folder})
        assert answer.status_code == 422 and answer.json()["error"]["code"] == "not_loadable", answer.text


def test_what_an_admin_changed_survives_a_restart(made: Callable[..., Services]) -> None:
    with TestClient(make_app(made(TWO))) as client:
        client.put("/admin/products/p/versions/3", json={"bundle": "/x/three"})
        client.put("/admin/products/p", json={"stable": "3"})
    with TestClient(make_app(made(TWO))) as client:
        assert asked(client) == "three/3"
        assert client.post("/admin/products/p/rollback").json()["route"]["stable"] == "1"
    changed = {"products": {"p": {"versions": {"1": "another", "2": "two"}, "stable": "1"}}}
    with TestClient(make_app(made(changed))) as client:  # the catalog's owner has the last word
        assert asked(client) == "another/3"


def served(client: TestClient) -> dict[str, str]:
    """What answers, by product."""
    return {one["product"]: one["route"]["stable"] for one in client.get("/admin/products").json()["products"]}


def test_one_change_freezes_no_other_product(made: Callable[..., Services]) -> None:
    before = {"products": {**TWO["products"], "q": {"versions": {"1": "one"}}, "secret": "secret"}}
    with TestClient(make_app(made(before))) as client:
        client.put("/admin/products/p", json={"stable": "2"})
    after = {"products": {**TWO["products"], "q": {"versions": {"1": "one", "2": "two"}}}}
    with TestClient(make_app(made(after))) as client:
        assert served(client) == {"p": "2", "q": "2"}  # the catalog's new one, and nothing that it has dropped
        assert client.post("/v1/predict/secret", json={"text": "abc"}).status_code == 404


@pytest.mark.parametrize(
    "edited",
    [
        {"p": {"versions": {"1": "one", "2": "two", "3": "three"}, "stable": "3"}},
        {"p": {"versions": {"1": "one", "2": "two"}, "stable": "1", "shadow": "2"}},
        {"other": "other"},
    ],
)
def test_the_catalog_has_the_last_word_and_keeps_it(
    made: Callable[..., Services], caplog: pytest.LogCaptureFixture, edited: dict[str, Any]
) -> None:
    with TestClient(make_app(made(TWO))) as client:
        client.put("/admin/products/p", json={"stable": "2"})
    with TestClient(make_app(made({"products": edited}))) as client:
        assert served(client) == ({"p": "3"} if "3" in str(edited) else {"p": "1"} if "p" in edited else {"other": "1"})
    assert "p: the catalog has changed" in caplog.text
    with TestClient(make_app(made(TWO))) as client:  # who takes an edit back gets the catalog, not what was before it
        assert served(client) == {"p": "1"}


def test_settings_of_a_product_that_no_admin_changes_are_always_the_catalogs(made: Callable[..., Services]) -> None:
    with TestClient(make_app(made(TWO))) as client:
        client.put("/admin/products/p", json={"stable": "2"})
    again = {"products": {"p": {**TWO["products"]["p"], "summary": "new words"}}}
    services = made(again)
    with TestClient(make_app(services)) as client:
        assert served(client) == {"p": "2"} and services.products.of("p").spec.summary == "new words"


def test_what_an_admin_made_stays_until_the_catalog_names_it(made: Callable[..., Services]) -> None:
    with TestClient(make_app(made(TWO))) as client:
        client.put("/admin/products/new/versions/7", json={"bundle": "/x/new"})
    with TestClient(make_app(made(TWO))) as client:
        assert served(client) == {"p": "1", "new": "7"}
    with TestClient(make_app(made({"products": {**TWO["products"], "new": "own"}}))) as client:
        assert served(client) == {"p": "1", "new": "1"}


def test_swapping_under_load_loses_no_request(made: Callable[..., Services]) -> None:
    services = made(TWO)

    async def work() -> list[str]:
        from tunesmith.service.asking import ask
        from tunesmith.service.caller import OPEN

        services.products.load()
        found: list[str] = []

        async def ask_many(number: int) -> None:
            for i in range(40):
                answered = await ask(services, OPEN, "p", [{"text": "abc"}], f"{number}-{i}")
                found.append(answered.predictions[0]["label"])

        async def swap() -> None:
            for i in range(10):
                stable, other = ("2", "1") if i % 2 == 0 else ("1", "2")
                from tunesmith.service.settings import Route

                await services.products.change("p", Route(stable=stable))
                await services.products.unload("p", other)

        await asyncio.gather(swap(), *(ask_many(i) for i in range(16)))
        return found

    found = asyncio.run(work())
    assert len(found) == 640 and set(found) == {"one/3", "two/3"}
    services.products.close()


@pytest.mark.parametrize(
    ("parity", "why"),
    [([], "no record of parity"), ([{"handoff": "int8", "passed": False}], "parity failed: int8")],
)
def test_what_was_not_proven_is_not_served(parity: list[Any], why: str) -> None:
    bundle: Any = SimpleNamespace(path=Path("out/b"), report={"parity": parity})
    with pytest.raises(BundleError, match=why):
        refuse_unproven(bundle)
    bundle.report = {"parity": [{"handoff": "save and reload", "passed": True}]}
    refuse_unproven(bundle)
