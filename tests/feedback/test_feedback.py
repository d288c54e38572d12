"""The way back: rows out of a real store, when to learn, and what to do with a canary."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy
import uvicorn

from tunesmith.cli import main
from tunesmith.core.errors import TunesmithError
from tunesmith.data.read import read
from tunesmith.feedback.admin import Admin
from tunesmith.feedback.canary import decide
from tunesmith.feedback.collect import Agreement, agreement, collected, first_answer, unsure, write_lines
from tunesmith.feedback.right import agrees, row_of
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
    assert unsure(store, "shop", below=0.6) == ([], 2, 0)
    assert collected(store, "other").rows == []


def test_of_too_many_rows_the_newest_are_read_and_the_others_told(
    store: sqlalchemy.Engine, url: str, tmp_path: Path, capsys: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr("tunesmith.feedback.collect.MOST", 3)
    answered(store, [("same", "good", 0.5, "bad", "1"), ("old", "good", 0.5, "bad", "1")], KEEPS)
    with store.begin() as connection:
        for table in ("answered", "feedback"):
            connection.execute(sqlalchemy.text(f"UPDATE {table} SET at = at - 1000, request = 'old' || request"))
    some = [("same", "good", 0.5, "good", "1"), ("b", "good", 0.5, "bad", "1"), ("c", "good", 0.5, "bad", "1")]
    answered(store, some, KEEPS)
    found = collected(store, "shop")
    assert {row["text"]: row["label"] for row in found.rows} == {"same": "good", "b": "bad", "c": "bad"}
    assert found.unread == 2 and unsure(store, "shop", below=0.6)[2] == 2
    assert main(["feedback", "export", "shop", "-o", str(tmp_path / "new.jsonl"), "--store", url]) == 0
    assert "2 older ones were not read" in capsys.readouterr().out


def test_what_abstains_is_to_be_labelled(store: sqlalchemy.Engine) -> None:
    answers = Answers(store)
    told = {"label": "a", "score": 0.99, "abstain": True, "human": "out of scope"}
    answers.keep(KEEPS, "k", "r", "shop", "1", [{"text": "天气"}], [told])
    answers.flush()
    answers.close()
    rows, *_ = unsure(store, "shop", below=0.5)
    assert rows == [{"text": "天气", "predicted": "a", "confidence": 0.99, "why": "out of scope"}]


def test_agreement_by_version(store: sqlalchemy.Engine) -> None:
    answered(store, ROWS, KEEPS)
    assert agreement(store, "shop") == {"1": Agreement(2, 1), "2": Agreement(1, 1)}
    assert agreement(store, "shop", since=time.time() + 10) == {}


def test_answers_and_what_is_right_are_compared() -> None:
    assert agrees({"label": "a", "score": 1.0}, {"label": "a"}) and not agrees({"label": "a"}, {"label": "b"})
    assert agrees({"labels": ["x", "y"]}, ["y", "x"]) and not agrees({"labels": ["x"]}, ["y", "x"])


RIGHT: list[tuple[dict[str, Any], dict[str, Any], Any, bool | None, dict[str, Any]]] = [
    ({"text": "t"}, {"label": "5", "score": 0.9}, 5, True, {"label": "5"}),
    ({"text": "t"}, {"label": "True"}, True, True, {"label": "True"}),
    ({"text": "t"}, {"label": "a", "score": 0.9, "candidates": ["a", "b"]}, {"label": "b"}, False, {"label": "b"}),
    ({"text": "t"}, {"labels": ["b", "a"], "scores": {}}, ["a", "b"], True, {"labels": ["a", "b"]}),
    ({"text": "t"}, {"value": 0.5}, 0.5, None, {"label": 0.5}),
    ({"text": "t"}, {"text": "hi", "tokens": 2, "finish": "stop"}, "hello", None, {"target": "hello"}),
    ({"messages": []}, {"text": "hi", "tokens": 2}, "hello", None, {"completion": "hello"}),
    ({"prompt": "你好"}, {"text": "hi", "tokens": 2}, "您好！", None, {"completion": "您好！"}),
    ({"control": "good"}, {"text": "hi", "tokens": 2}, "nice", None, {"text": "nice"}),
    ({"text": "王小明来了"}, {"spans": [{"start": 0, "end": 3, "text": "王小明", "label": "PER"}], "score": 1},
     [{"start": 0, "end": 3, "label": "PER"}], True, {"spans": [{"start": 0, "end": 3, "label": "PER"}]}),
    ({"text": "t"}, {"spans": [], "score": 1.0}, {"spans": [{"start": 0, "end": 1, "label": "X"}]}, False,
     {"spans": [{"start": 0, "end": 1, "label": "X"}]}),
    ({"text": "t", "predicate": "p"}, {"predicate": {}, "roles": [{"start": 0, "end": 1, "label": "A0"}], "score": 1},
     [{"start": 0, "end": 1, "label": "A1"}], False, {"roles": [{"start": 0, "end": 1, "label": "A1"}]}),
    ({"text": "Ann, Lyon"}, {"spans": [{"start": 0, "end": 3, "label": "P"}, {"start": 5, "end": 9, "label": "L"}],
                             "relations": [{"head": 0, "tail": 1, "label": "in", "score": 1}], "score": 1},
     {"spans": [{"start": 5, "end": 9, "label": "L"}, {"start": 0, "end": 3, "label": "P"}],
      "relations": [{"head": 1, "tail": 0, "label": "in"}]}, True,
     {"spans": [{"start": 5, "end": 9, "label": "L"}, {"start": 0, "end": 3, "label": "P"}],
      "relations": [{"head": 1, "tail": 0, "label": "in"}]}),
    ({"text": "t"}, {"head": {}, "tail": {}, "relation": "in", "scores": {}}, "in", True, {"label": "in"}),
    ({"question": "?", "context": "in Lyon."}, {"answer": "Lyon.", "start": 3, "end": 8, "score": 0.9}, "lyon", True,
     {"answers": ["lyon"]}),
    ({"question": "?", "context": "在里昂"}, {"answer": "", "start": 0, "end": 0}, [{"text": "里昂"}], False,
     {"answers": ["里昂"]}),
    ({"question": "?", "choices": ["a", "b"]}, {"choice": 1, "text": "b", "scores": [0, 1]}, 1, True, {"answer": "b"}),
    ({"question": "?", "choices": ["a", "b"]}, {"choice": 1, "text": "b", "scores": []}, "a", False, {"answer": "a"}),
    ({"user": "u"}, {"items": [{"item": "7"}, {"item": "9"}], "history": 1}, 9, True, {"item": 9}),
    ({"text": "t"}, {"vector": [0.1]}, 1.0, None, {"score": 1.0}),
]  # fmt: skip
"""What was asked, what was answered, what is said to be right; whether both agree, and what a data file has."""


@pytest.mark.parametrize(("asked", "answer", "right", "same", "row"), RIGHT)
def test_each_kind_of_answer_is_compared_and_written_in_its_own_way(
    asked: dict[str, Any], answer: dict[str, Any], right: Any, same: bool | None, row: dict[str, Any]
) -> None:
    assert agrees(answer, right) is same
    assert row_of(right, asked, answer) == row


def test_parts_of_a_mixture_are_compared_each_in_its_way() -> None:
    answer = {"answers": {"mood": {"label": "good"}, "size": {"value": 2.0}}}
    assert agrees(answer, {"mood": "good", "size": 3}) is True and agrees(answer, {"mood": "bad"}) is False
    assert agrees(answer, {"size": 2.0}) is None and agrees(answer, "good") is None


def test_what_has_no_one_right_answer_promotes_no_canary(store: sqlalchemy.Engine) -> None:
    answers = Answers(store)
    for i in range(60):
        answers.keep(KEEPS, "k", f"r{i}", "sizes", str(1 + i % 2), [{"text": f"t{i}"}], [{"value": 0.5}])
    answers.flush()
    for i in range(60):
        found = answers.find("k", f"r{i}")
        assert found is not None
        answers.right(found, 0, 0.75, "", KEEPS)
    answers.close()
    said = agreement(store, "sizes")
    assert said == {"1": Agreement(0, 0, 30), "2": Agreement(0, 0, 30)}
    decision = decide(said["1"], said["2"])
    assert decision.what == "wait" and "no one right answer" in decision.words
    assert decide(Agreement(200, 0), Agreement(200, 0)).what == "wait", "never right is no reason to go out"


def test_marked_characters_are_never_moved_by_redacting(store: sqlalchemy.Engine) -> None:
    text = "请联系 13812345678，王小明 明天到北京"
    start = text.index("王")
    span = {"start": start, "end": start + 3, "label": "PER"}
    for policy, kept in ((KEEPS, False), (Policy(keep=True, redact=False), True)):
        answers = Answers(store)
        answers.keep(policy, "k", "r", "names", "1", [{"text": text}, {"text": "王小明"}], [{"spans": []}] * 2)
        answers.flush()
        found = answers.find("k", "r")
        assert found is not None and found.rows is not None
        answers.right(found, 0, [span], "", policy)
        answers.right(found, 1, [{"start": 0, "end": 3, "label": "PER"}], "", policy)
        answers.close()
        made = collected(store, "names")
        assert (len(made.rows), made.without_text) == ((2, 0) if kept else (1, 1))
        assert all(row["text"][one["start"] : one["end"]] == "王小明" for row in made.rows for one in row["spans"])


def test_a_canary_is_compared_since_it_is_asked(store: sqlalchemy.Engine) -> None:
    now = [1000.0]
    answers = Answers(store, clock=lambda: now[0])
    answers.keep(KEEPS, "k", "old", "shop", "1", [{"text": "a"}], [{"label": "x"}])
    now[0] = 2000.0
    answers.keep(KEEPS, "k", "new", "shop", "2", [{"text": "b"}], [{"label": "x"}])
    answers.flush()
    answers.close()
    assert first_answer(store, "shop", "2") == 2000.0 and first_answer(store, "shop", "3") == float("inf")
    assert agreement(store, "shop", since=float("inf")) == {}, "a version that nobody asked is compared with nothing"


def test_when_it_is_time() -> None:
    limits = Limits(volume=100, agreement=0.9, least=20)
    assert reasons(10, 10, Agreement(10, 0), ["1"], limits) == []
    assert reasons(50, 50, Agreement(50, 47), [], limits) == []
    assert reasons(150, 50, Agreement(50, 47), [], limits) == [], "most of it was known to the bundle"
    assert [why.partition(":")[0] for why in reasons(150, 150, Agreement(200, 150), ["length"], limits)] == [
        "volume", "agreement", "drift",
    ]  # fmt: skip


def test_a_canary_is_judged() -> None:
    good = Agreement(400, 360)
    assert decide(good, Agreement(100, 70)).what == "roll back"
    assert decide(good, Agreement(600, 560)).what == "promote"
    assert decide(good, Agreement(20, 18)).what == decide(good, Agreement()).what == "wait"
    assert "+0.0" in decide(good, Agreement(600, 560)).words


def test_a_good_canary_is_not_rolled_back_however_often_it_is_judged() -> None:
    assert decide(Agreement(200, 180), Agreement(1, 0)).what == "wait"
    assert decide(Agreement(200, 180), Agreement(19, 0)).what == "wait"
    assert decide(Agreement(200, 180), Agreement(20, 8)).what == "roll back"
    draw = np.random.default_rng(0).random((200, 100, 10)) < 0.9  # a tenth of all rows is the canary's
    stable, canary = draw[:, :, 1:].sum(2).cumsum(1), draw[:, :, 0].cumsum(1)
    wrongly = sum(
        any(
            decide(Agreement(9 * n, int(a)), Agreement(n, int(b))).what == "roll back"
            for n, (a, b) in enumerate(zip(*both, strict=True), 1)
        )
        for both in zip(stable, canary, strict=True)
    )
    assert wrongly <= 6


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
    admin.load("shop", "4", "four")
    admin.route("shop", "1", ("3", 0.2))
    assert admin.product("shop")["route"]["canary"] == {"version": "3", "share": 0.2}
    services.counts.drifted("shop", "1", {"length": 0.4}, True)
    services.counts.drifted("shop", "2", {"length": 0.0}, False)
    assert admin.drifting("shop") == ["1"] and admin.drifting("other") == []
    rows = [(f"c{i}", "good", 0.9, "bad", "3") for i in range(30)]
    rows += [(f"t{i}", "good", 0.9, "good" if i % 10 else "bad", "1") for i in range(60)]
    answered(store, rows, KEEPS)
    words = ["feedback", "canary", "shop", "--service", address, "--store", url, "--act", "--json"]
    assert main(words) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["what"] == "roll back" and told["high"] < 0 and told["idle"] == ["4"], "what others loaded is theirs"
    assert admin.product("shop")["route"] == {"stable": "1", "canary": None, "shadow": None}
    assert not admin.product("shop")["versions"]["3"]["loaded"], "a canary that was rolled back frees its memory"
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
    monkeypatch.setattr("tunesmith.cli.feedback.made_at", lambda bundle: 0.0)
    gated = ([{"text": "TEXT 7!", "label": "good"}, {"text": "another", "label": "bad"}], ["text"])
    monkeypatch.setattr("tunesmith.cli.feedback.held_inputs", lambda bundle, held: gated)
    out = tmp_path / "new.jsonl"
    words = ["feedback", "propose", "shop", "-o", str(out), "--store", url, "--bundle", "b", "--protect", "p.csv"]
    words += ["--service", address, "--least", "20", "--run", "--json"]
    assert main([*words, "--held", "bad.csv"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["why"][0].startswith("agreement") and not told["accepted"] and "canary" not in told
    assert given == {"file": str(out), "overrides": ["bundle=c"], "protect": "p.csv"}
    learned = [json.loads(line)["text"] for line in out.read_text("utf-8").splitlines()]
    assert told["held"] == 1 and told["rows"] == len(learned) == 29 and "text 7" not in learned
    assert main([*words, "--held", "h.csv", "--share", "0.2"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["canary"] == {"version": "3", "share": 0.2}
    route = Admin(address).product("shop")["route"]
    assert route["stable"] == "1" and route["canary"] == told["canary"]
    assert main([*words, "--held", "h.csv"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert not told["propose"] and "is a canary: judge it first" in told["words"]
    assert main(words) == 2 and "--held" in capsys.readouterr().out
    Admin(address).route("shop", "1")
    with monkeypatch.context() as patched:
        patched.setattr(Admin, "load", lambda *a: (_ for _ in ()).throw(TunesmithError("There is no room.")))
        assert main([*words, "--held", "h.csv"]) == 2, "what took hours is told though it is not served"
    told = json.loads(capsys.readouterr().out)
    assert told["accepted"] and told["not_loaded"] == "There is no room." and "canary" not in told
    services.alone, services.behind_proxy = False, True
    assert main([*words, "--held", "h.csv"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["accepted"] and "canary" not in told and "Drift is not known" in told["words"]
    assert "from the catalog alone" in told["words"] and Admin(address).drifting("shop") is None


def test_rows_that_would_be_lost_are_kept_beside(tmp_path: Path) -> None:
    """What a bundle was learned from, after the store has purged it; a queue that somebody has labelled."""
    file = tmp_path / "反馈.jsonl"
    old, new = {"text": "很好", "label": "好"}, {"text": "bad", "label": "no"}
    assert write_lines(file, [old]) is None
    assert write_lines(file, [old, new]) is None, "nothing is lost"
    aside = write_lines(file, [new])
    assert aside is not None and aside != file and aside.suffix == ".jsonl"
    assert [json.loads(line) for line in aside.read_text("utf-8").splitlines()] == [old, new]
    assert [json.loads(line) for line in file.read_text("utf-8").splitlines()] == [new]
    assert sorted(tmp_path.iterdir()) == sorted([file, aside])
