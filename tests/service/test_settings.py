from __future__ import annotations

from pathlib import Path

import pytest

from tunesmith.core.errors import RecipeError
from tunesmith.service.run import strayed
from tunesmith.service.settings import of_bundle, product_name, read_catalog

CATALOG = """
products:
  intents: out/intents
  reviews:
    versions: {v1: out/reviews, v2: /abs/reviews}
    stable: v1
    canary: {version: v2, share: 0.1}
plans:
  free: {requests: {minute: 60, month: 1000}, price: {thousand_tokens: "0.02"}}
server: {port: 9000}
"""


def test_a_catalog(tmp_path: Path) -> None:
    (tmp_path / "catalog.yaml").write_text(CATALOG, "utf-8")
    found = read_catalog(tmp_path / "catalog.yaml")
    assert found.products["intents"].versions == {"1": tmp_path / "out/intents"}
    assert found.products["reviews"].versions["v2"] == Path("/abs/reviews")
    assert found.products["intents"].route().stable == "1" and found.products["reviews"].route().stable == "v1"
    assert str(found.plans["free"].price.thousand_tokens) == "0.02" and found.plans["free"].requests.day is None


def test_what_a_catalog_names_lies_beside_it(tmp_path: Path) -> None:
    keys = "products: {a: out/a}\n"
    (tmp_path / "usual.yaml").write_text(keys + "server: {host: 0.0.0.0}\n", "utf-8")
    usual = read_catalog(tmp_path / "usual.yaml")
    assert usual.store_url() == f"sqlite:///{tmp_path}/tunesmith.db"
    assert usual.server.folder == tmp_path / "tunesmith-service"
    more = "store: sqlite:///own.db\nrequest_log: {path: asked.jsonl}\n"
    more += "server: {folder: /abs, tls: {certificate: c, key: /k}}\n"
    (tmp_path / "more.yaml").write_text(keys + more, "utf-8")
    found = read_catalog(tmp_path / "more.yaml")
    assert found.store == f"sqlite:///{tmp_path}/own.db" and found.server.folder == Path("/abs")
    assert found.request_log and found.request_log.path == tmp_path / "asked.jsonl"
    assert found.server.tls and (found.server.tls.certificate, found.server.tls.key) == (tmp_path / "c", Path("/k"))


def test_what_an_older_service_left_in_our_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/catalog.yaml").write_text("products: {a: out/a}\nserver: {host: 0.0.0.0}\n", "utf-8")
    (tmp_path / "tunesmith.db").touch()
    monkeypatch.chdir(tmp_path)
    catalog = read_catalog("conf/catalog.yaml")
    assert strayed(catalog, catalog.store_url()) == [(Path("conf/tunesmith.db"), Path("tunesmith.db"))]
    (tmp_path / "conf/tunesmith.db").touch()
    assert strayed(catalog, catalog.store_url()) == []


def test_every_mistake_is_said_at_once(tmp_path: Path) -> None:
    wrong = "products: {p: {versions: {v1: a}, stabel: v1}, 'q q': b, r: {versions: {v1: a}, stable: v2}}\nport: 1\n"
    (tmp_path / "c.yaml").write_text(wrong, "utf-8")
    with pytest.raises(RecipeError) as error:
        read_catalog(tmp_path / "c.yaml")
    said = "\n".join(error.value.mistakes)
    for part in ("p.stabel", "q q", 'version "v2" is not there', "port"):
        assert part in said


@pytest.mark.parametrize("text", ["products: [", "", "- a", "\x00"])
def test_not_a_catalog(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.yaml").write_text(text, "utf-8")
    with pytest.raises(RecipeError, match=r"c\.yaml"):
        read_catalog(tmp_path / "c.yaml")


def test_a_bundle_alone_is_open_on_this_machine_only() -> None:
    catalog = of_bundle("out/my reviews")
    assert list(catalog.products) == ["my-reviews"] and catalog.server.is_open()
    assert not catalog.server.model_copy(update={"host": "0.0.0.0"}).is_open()
    assert product_name("中文") == "model"
