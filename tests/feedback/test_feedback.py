"""The way back: rows out of a real store, when to learn, and what to do with a canary."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
import uvicorn

from tunesmith.cli import main
from tunesmith.data.read import read
from tunesmith.feedback.admin import Admin
from tunesmith.feedback.canary import decide
from tunesmith.feedback.collect import Agreement, agreement, agrees, collected, target_of, unsure
from tunesmith.feedback.trigger import Limits, reasons
from tunesmith.service.answers import Answers
from tunesmith.service.app import make_app
from tunesmith.service.monitoring import Counts
from tunesmith.service.products import Products
from tunesmith.service.safety.policy import Policy
from tunesmith.service.services import Services
from tunesmith.service.settings import Batching, checked
from tunesmith.service.store.migrate import open_store

KEEPS = Policy(keep=True)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/store.db"


@pytest.fixture
def store(url: str) -> Iterator[sqlalchemy.Engine]:
    engine = open_store(url)
    yield engine
    engine.dispose()


def answered(store: sqlalchemy.Engine, some: list[tuple[str, str, float, str | None, str]], policy: Policy) -> None:
    """(text, answer, score, what would have been right, version)."""
    answers = Answers(store)
    for i, (text, label, score, right, version) in enumerate(some):
        answers.keep(policy, "key", f"r{i}", "shop", version, [{"text": text}], [{"label": label, "score": score}])
        if right is not None:
            about = answers.find("key", f"r{i}")
            assert about is not None
            answers.right(about, 0, right, "", policy)
    answers.flush()
    answers.close()


ROWS = [
    ("call 13812345678, 很好", "good", 0.9, "good", "1"),
    ("awful", "good", 0.8, "bad", "1"),
    ("unsure one", "good", 0.55, None, "1"),
    ("awful", "bad", 0.8, "bad", "2"),
    ("very unsure", "bad", 0.51, None, "2"),
    ("sure", "bad", 0.99, None, "2"),
]


def test_feedback_becomes_rows_that_can_be_read(
    store: sqlalchemy.Engine, url: str, tmp_path: Path, capsys: Any
) -> None:
    answered(store, ROWS, KEEPS)
    out, queue = tmp_path / "new.jsonl", tmp_path / "ask.jsonl"
    words = ["feedback", "export", "shop", "-o", str(out), "--queue", str(queue), "--store", url, "--json"]
    assert main(words) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["rows"], told["to_label"], told["without_text"]) == (2, 2, 0)
    rows = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert {row["text"]: row["label"] for row in rows} == {"call [PHONE], 很好": "good", "awful": "bad"}
    assert read(str(out)).columns == ["text", "label"]
    asked = [json.loads(line) for line in queue.read_text("utf-8").splitlines()]
    assert [(row["text"], row["why"]) for row in asked] == [("very unsure", "unsure"), ("unsure one", "unsure")]


def test_what_has_no_text_is_counted(store: sqlalchemy.Engine) -> None:
    answered(store, ROWS, Policy(keep=False))
    found = collected(store, "shop")
    assert not found.rows and found.without_text == 3
    assert unsure(store, "shop", below=0.6) == ([], 2)
    assert collected(store, "other").rows == []


def test_what_abstains_is_to_be_labelled(store: sqlalchemy.Engine) -> None:
    answers = Answers(store)
    told = {"label": "a", "score": 0.99, "abstain": True, "human": "out of scope"}
    answers.keep(KEEPS, "k", "r", "shop", "1", [{"text": "天气"}], [told])
    answers.flush()
    answers.close()
    rows, _ = unsure(store, "shop", below=0.5)
    assert rows == [{"text": "天气", "predicted": "a", "confidence": 0.99, "why": "out of scope"}]


def test_agreement_by_version(store: sqlalchemy.Engine) -> None:
    answered(store, ROWS, KEEPS)
    assert agreement(store, "shop") == {"1": Agreement(2, 1), "2": Agreement(1, 1)}
    assert agreement(store, "shop", since=time.time() + 10) == {}


def test_answers_and_what_is_right_are_compared() -> None:
    assert agrees({"label": "a", "score": 1.0}, {"label": "a"}) and not agrees({"label": "a"}, {"label": "b"})
    assert agrees({"labels": ["x", "y"]}, ["y", "x"]) and not agrees({"labels": ["x"]}, ["y", "x"])
    assert target_of(True) == {"label": "True"} and target_of(2) == {"score": 2}


def test_when_it_is_time() -> None:
    limits = Limits(volume=100, agreement=0.9, least=20)
    assert reasons(10, Agreement(10, 0), ["1"], limits) == []
    assert reasons(50, Agreement(50, 47), [], limits) == []
    assert [why.partition(":")[0] for why in reasons(150, Agreement(200, 150), ["length"], limits)] == [
        "volume", "agreement", "drift",
    ]  # fmt: skip


def test_a_canary_is_judged() -> None:
    good = Agreement(400, 360)
    assert decide(good, Agreement(100, 70)).what == "roll back"
    assert decide(good, Agreement(600, 560)).what == "promote"
    assert decide(good, Agreement(20, 18)).what == decide(good, Agreement()).what == "wait"
    assert "+0.0" in decide(good, Agreement(600, 560)).words


class Stub:
    """Loads versions that answer nothing."""

    def expect(self, paths: Any) -> None:
        pass

    def __call__(self, name: str, path: Path, spec: Any, limits: Batching) -> Any:
        from types import SimpleNamespace as Some

        engine = Some(waiting=0, close=lambda *a: None, wait_expected=lambda: 0.0, refuse_if_full=lambda: None)
        return Some(name=name, engine=engine, runtime="stub", bundle=Some(path=path), task=Some(columns=()))


@pytest.fixture
def running() -> Iterator[tuple[str, Services]]:
    catalog = checked({"products": {"shop": {"versions": {"1": "one", "2": "two"}, "stable": "1"}}}, "catalog.yaml")
    services = Services(catalog, Products(catalog.products, catalog.batching, None, Stub()), Counts())
    server = uvicorn.Server(uvicorn.Config(make_app(services), port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}", services
    server.should_exit = True
    thread.join(5)


def test_a_canary_goes_out_and_comes_back(
    running: tuple[str, Services], store: sqlalchemy.Engine, url: str, capsys: Any
) -> None:
    address, services = running
    admin = Admin(address)
    admin.load("shop", "3", "three")
    admin.route("shop", "1", ("3", 0.2))
    assert admin.product("shop")["route"]["canary"] == {"version": "3", "share": 0.2}
    services.counts.drifted("shop", "1", {"length": 0.4}, True)
    services.counts.drifted("shop", "2", {"length": 0.0}, False)
    assert admin.drifting("shop") == ["1"] and admin.drifting("other") == []
    rows = [(f"t{i}", "good", 0.9, "good" if i % 10 else "bad", "1") for i in range(60)]
    rows += [(f"c{i}", "good", 0.9, "bad", "3") for i in range(30)]
    answered(store, rows, KEEPS)
    words = ["feedback", "canary", "shop", "--service", address, "--store", url, "--act", "--json"]
    assert main(words) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["what"] == "roll back" and told["high"] < 0
    assert admin.product("shop")["route"] == {"stable": "1", "canary": None, "shadow": None}
    assert main(words) == 2 and "has no canary" in capsys.readouterr().err


def test_what_is_missing_is_said(store: sqlalchemy.Engine, url: str, capsys: Any) -> None:
    assert main(["feedback", "propose", "shop", "--store", url]) == 2
    assert "--protect" in capsys.readouterr().err
    assert main(["feedback", "canary", "shop", "--store", url]) == 2
    assert main(["feedback", "canary", "shop", "--store", url, "--service", "http://127.0.0.1:9"]) == 2
    assert "does not answer" in capsys.readouterr().err


def test_a_proposal_is_carried_out(
    running: tuple[str, Services], store: sqlalchemy.Engine, url: str, tmp_path: Path, capsys: Any, monkeypatch: Any
) -> None:
    """Learning and the gate have their own tests: here they are stubs that say what they were given."""
    from types import SimpleNamespace as Some

    address, services = running
    answered(store, [(f"text {i}", "good", 0.9, "bad", "1") for i in range(30)], KEEPS)
    given: dict[str, Any] = {}

    def learn(bundle: Any, file: Any, overrides: Any, options: Any) -> Any:
        given.update(file=file, overrides=overrides, protect=options.protect)
        return Some(path=tmp_path / "two")

    def gate(old: Any, new: Any, held: Any, protect: Any) -> Any:
        return {"accepted": held != "bad.csv", "words": "Judged."}

    monkeypatch.setattr("tunesmith.pipeline.learn.learn", learn)
    monkeypatch.setattr("tunesmith.pipeline.candidate.candidate", gate)
    proposed = {"candidate": "c", "command": "learn", "gate": "gate"}
    monkeypatch.setattr("tunesmith.cli.feedback.proposal", lambda *a: proposed)
    out = tmp_path / "new.jsonl"
    words = ["feedback", "propose", "shop", "-o", str(out), "--store", url, "--bundle", "b", "--protect", "p.csv"]
    words += ["--service", address, "--least", "20", "--run", "--json"]
    assert main([*words, "--held", "bad.csv"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["why"][0].startswith("agreement") and not told["accepted"] and "canary" not in told
    assert given == {"file": str(out), "overrides": ["bundle=c"], "protect": "p.csv"}
    assert main([*words, "--held", "h.csv", "--share", "0.2"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["canary"] == {"version": "3", "share": 0.2}
    route = Admin(address).product("shop")["route"]
    assert route["stable"] == "1" and route["canary"] == told["canary"]
    assert main(words) == 2 and "--held" in capsys.readouterr().out
