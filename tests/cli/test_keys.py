from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tunesmith.cli import main
from tunesmith.service.answers import Answers
from tunesmith.service.auth import KeyRing
from tunesmith.service.metering.event import Event
from tunesmith.service.metering.settle import count
from tunesmith.service.problems import Refused
from tunesmith.service.store.connect import writing
from tunesmith.service.store.migrate import open_store
from tunesmith.service.store.tables import answered, feedback

CATALOG = """
products: {reviews: out/reviews, 评价: out/zh}
plans: {small: {price: {month: 5, request: 0.01}}}
store: sqlite:///of-the-catalog.db
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("catalog.yaml").write_text(CATALOG.replace("评价", "zh"), "utf-8")
    return tmp_path


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def error(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(list(arguments)) == 2
    return capsys.readouterr().err


def test_the_store_of_the_place_is_the_services(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    """An image's catalog names no store: what the environment tells ``serve``, it must tell ``keys``, too."""
    monkeypatch.setenv("TUNESMITH_STORE", "sqlite:///of-the-place.db")
    asked(capsys, "keys", "make", "shop", "--catalog", "catalog.yaml")
    assert Path("of-the-place.db").is_file() and not Path("of-the-catalog.db").exists()
    asked(capsys, "keys", "make", "shop", "--store", "sqlite:///named.db")
    assert Path("named.db").is_file(), "what is named wins"


def test_a_keys_life(capsys: pytest.CaptureFixture[str]) -> None:
    made = asked(capsys, "keys", "make", "王记茶馆", "--products", "a, b", "--plan", "small", "--expires", "1d")
    assert (made["products"], made["plan"], made["state"]) == (["a", "b"], "small", "active")
    ring = KeyRing(open_store("sqlite:///tunesmith.db"))
    assert ring.find(f"Bearer {made['key']}").name == "王记茶馆"
    renewed = asked(capsys, "keys", "rotate", made["id"], "--grace", "1h")
    ring.refresh()
    assert ring.find(f"Bearer {renewed['key']}") == ring.find(f"Bearer {made['key']}")
    assert asked(capsys, "keys", "revoke", made["id"])["state"] == "revoked"
    ring.refresh()
    with pytest.raises(Refused):
        ring.find(f"Bearer {renewed['key']}")
    ring.close()
    (listed,) = asked(capsys, "keys", "list")["keys"]
    assert listed["state"] == "revoked" and "key" not in listed and made["key"] not in str(listed)


def test_stdout_is_the_key_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "make", "shop"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("ts_") and len(out.split()) == 1
    assert "only now" in err and out.strip() not in err
    assert main(["keys", "list"]) == 0
    assert out.split("_")[1] in capsys.readouterr().out


def test_the_catalogs_store_plans_and_products(capsys: pytest.CaptureFixture[str]) -> None:
    catalog = ("--catalog", "catalog.yaml")
    asked(capsys, "keys", "make", "shop", "--plan", "small", "--products", "zh", *catalog)
    assert Path("of-the-catalog.db").exists() and not Path("tunesmith.db").exists()
    assert 'no plan "smal"' in error(capsys, "keys", "make", "shop", "--plan", "smal", *catalog)
    assert "reviews" in error(capsys, "keys", "make", "shop", "--products", "review", *catalog)
    asked(capsys, "keys", "make", "shop", "--store", "sqlite:///named.db", *catalog)
    assert Path("named.db").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("keys", "list"), "no store sqlite:///tunesmith.db"),
        (("usage",), "no store"),
        (("keys", "make"), "needs a name"),
        (("keys", "revoke"), "needs the key's id"),
        (("keys", "make", "x", "--expires", "soon"), "no time"),
        (("keys", "make", "x", "--products", ""), "no product"),
        (("keys", "make", "x", "--expires", "999999999d"), "100 years"),
        (("keys", "make", "x", "--store", "mysql://me:hunter2@host/x"), "mysql"),
        (("keys", "make", "x", "--store", "postgresql://me:hunter2@127.0.0.1:1/x"), "cannot be opened"),
        (("keys", "melt"), "melt"),
        (("usage", "--invoice", "2026-11"), "Prices are in the catalog"),
    ],
)
def test_mistakes(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str) -> None:
    told = error(capsys, *arguments)
    assert said in told and "hunter2" not in told and told.count("\n") == 2


def test_usage_and_invoice(capsys: pytest.CaptureFixture[str]) -> None:
    store = "sqlite:///used.db"
    noon = datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()
    engine = open_store(store)
    key = KeyRing(engine, clock=lambda: noon).make("=王记", plan="small")
    with writing(engine) as connection:
        count(connection, [Event(f"req_{n}", key.id, "茶", "1", rows=1, tokens=2, at=noon) for n in range(1200)])
    (row,) = asked(capsys, "usage", "--store", store)["usage"]
    assert (row["key"], row["product"], row["day"], row["requests"]) == (key.id, "茶", "2026-11-22", 1200)
    assert asked(capsys, "usage", "--store", store, "--since", "2026-11-23")["usage"] == []
    assert main(["usage", "--store", store, "--by", "product,month"]) == 0
    assert "1,200" in (out := capsys.readouterr().out) and "2026-11" in out
    file = ("--csv", "invoice.csv", "--invoice", "2026-11", "--catalog", "catalog.yaml", "--store", store)
    assert asked(capsys, "usage", *file) == {"csv": "invoice.csv", "lines": 3}
    lines = list(csv.DictReader(io.StringIO(Path("invoice.csv").read_text("utf-8"))))
    assert [(line["name"], line["item"], line["amount"]) for line in lines] == [
        ("'=王记", "month", "5.00"), ("'=王记", "requests", "12.00"), ("'=王记", "thousand tokens", "0.00")
    ]  # fmt: skip
    assert main(["usage", "--store", store, "--since", "yesterday"]) == 2
    assert main(["usage", "--store", store, "--by", "customer"]) == 2


@pytest.mark.parametrize(
    ("action", "options", "said"),
    [
        ("rotate", ["--plan", "big"], "does not read --plan"),
        ("rotate", ["--expires", "1d", "--products", "a"], "--products, --expires"),
        ("revoke", ["--grace", "1h"], "does not read --grace"),
        ("make", ["--grace", "1h"], '"rotate" does'),
    ],
)
def test_what_another_action_reads_is_refused(
    capsys: pytest.CaptureFixture[str], action: str, options: list[str], said: str
) -> None:
    made = asked(capsys, "keys", "make", "shop")
    assert said in error(capsys, "keys", action, made["id"], *options)


def test_a_customer_is_forgotten(capsys: pytest.CaptureFixture[str]) -> None:
    gone, other = (asked(capsys, "keys", "make", name)["id"] for name in ("王记茶馆", "shop"))
    engine = open_store("sqlite:///tunesmith.db")
    answers = Answers(engine)
    for key in (gone, other):
        facts = {"key": key, "request": f"req_{key}", "product": "zh", "version": "1"}
        row = {**facts, "predictions": [{"label": "好"}], "rows": [{"text": "茶很好"}], "at": 1.0, "until": 9e9}
        said = {
            **facts,
            "row": 0,
            "asked": {"text": "茶很好"},
            "predicted": {"label": "好"},
            "right": "好",
            "comment": "",
        }
        with engine.begin() as connection:
            connection.execute(answered.insert().values(row))
            connection.execute(feedback.insert().values({**said, "at": 1.0, "until": 9e9}))
    told = asked(capsys, "keys", "forget", gone)
    assert told["deleted"] == 2 and "works on" in told["words"]
    assert [said["key"] for said in answers.said("zh")] == [other]
    with engine.connect() as connection:
        assert [row.key for row in connection.execute(answered.select())] == [other]
    answers.close()
    assert asked(capsys, "keys", "revoke", gone) and "works on" not in asked(capsys, "keys", "forget", gone)["words"]
    assert "There is no key" in error(capsys, "keys", "forget", "nobody")
