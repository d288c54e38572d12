from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from tunesmith.service import answers as module
from tunesmith.service.answers import DAY, Answers
from tunesmith.service.app import make_app
from tunesmith.service.caller import Caller
from tunesmith.service.drain import Drain
from tunesmith.service.safety.policy import Policy
from tunesmith.service.services import Services

KEEP = Policy(keep=True)


@pytest.fixture
def answers(store: Engine, clock: Any) -> Iterator[Answers]:
    made = Answers(store, clock=clock)
    yield made
    made.close()


def test_what_was_answered_a_moment_ago_is_found(answers: Answers) -> None:
    scores = {f"c{i}": i / 100 for i in range(77)}
    said = {"label": "c76", "scores": scores, "vector": [0.5] * 384, "bad": float("nan"), "text": "a@example.com"}
    answers.keep(KEEP, "k1", "r1", "shop", "2", [{"text": "我的手机是13812345678"}], [said])
    found = answers.find("k1", "r1")
    assert found is not None and found.rows == [{"text": "我的手机是[PHONE]"}]
    assert found.predictions[0]["scores"] == {f"c{i}": i / 100 for i in range(76, 71, -1)}
    assert "vector" not in found.predictions[0] and found.predictions[0]["bad"] is None
    assert found.predictions[0]["text"] == "[EMAIL]"
    assert answers.find("k2", "r1") is None and answers.find("k1", "r2") is None


def test_only_what_the_policy_says(answers: Answers, store: Engine) -> None:
    answers.keep(Policy(), "k1", "r1", "shop", "2", [{"text": "private"}], [{"label": "a"}])
    answers.keep(Policy(feedback=False), "k1", "r2", "shop", "2", [{"text": "private"}], [{"label": "a"}])
    answers.keep(Policy(keep=True, redact=False), "k1", "r3", "shop", "2", ["a@example.com"], [{"label": "a"}])
    answers.flush()
    assert answers.find("k1", "r1").rows is None  # type: ignore[union-attr]
    assert answers.find("k1", "r2") is None
    assert answers.find("k1", "r3").rows == ["a@example.com"]  # type: ignore[union-attr]
    with store.connect() as connection:
        assert "private" not in str(connection.execute(text("SELECT * FROM answered")).all())


def test_an_id_that_is_used_again_names_the_last_answer(answers: Answers) -> None:
    for label in ("a", "b"):
        answers.keep(KEEP, "k1", "r1", "shop", "2", ["x"], [{"label": label}])
    assert answers.find("k1", "r1").predictions == [{"label": "b"}]  # type: ignore[union-attr]
    answers.keep(KEEP, "k1", "r1", "shop", "2", ["x"], [{"label": "c"}])
    answers.flush()
    assert answers.find("k1", "r1").predictions == [{"label": "c"}]  # type: ignore[union-attr]


def test_old_answers_are_forgotten(answers: Answers, clock: Any, store: Engine, monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "ONCE", 3)
    for number in range(8):
        answers.keep(Policy(keep_days=1), "k1", f"r{number}", "shop", "2", ["x"], [{"label": "a"}])
    answers.keep(Policy(keep_days=5), "k1", "later", "shop", "2", ["x"], [{"label": "a"}])
    found = answers.find("k1", "r0")
    assert found is not None
    answers.right(found, 0, "b", "", KEEP)
    assert answers.purge() == 0
    clock.now += 2 * DAY
    assert answers.find("k1", "r0") is None
    assert answers.purge() == 9 and answers.said("shop") == []
    assert answers.find("k1", "later") is not None


def test_forgetting_happens_by_itself(sqlite_store: Engine, clock: Any) -> None:
    made = Answers(sqlite_store, clock=clock, purge_every=0.02)
    made.keep(Policy(keep_days=1), "k1", "r1", "shop", "2", ["x"], [{"label": "a"}])
    made.flush()
    clock.now += 2 * DAY
    until = time.monotonic() + 10
    while time.monotonic() < until:
        with sqlite_store.connect() as connection:
            if not connection.execute(text("SELECT count(*) FROM answered")).scalar_one():
                break
        time.sleep(0.02)
    else:
        raise AssertionError("still there")
    made.close()


def test_a_store_that_is_away_loses_answers_and_counts_them(answers: Answers, store: Engine) -> None:
    with store.begin() as connection:
        connection.execute(text("ALTER TABLE answered RENAME TO gone"))
    answers.keep(KEEP, "k1", "r1", "shop", "2", ["x"], [{}])
    answers.flush()
    assert answers.dropped == 1


class Ring:
    """Keys without a store: the header is the key's id."""

    def start(self) -> None:
        pass

    def find(self, header: str | None) -> Caller:
        return Caller(str(header))

    def close(self) -> None:
        pass


@pytest.fixture
def asked(made: Callable[..., Services], answers: Answers) -> Iterator[TestClient]:
    services = made()
    services.keys = Ring()
    services.answers = answers
    with TestClient(make_app(services), raise_server_exceptions=False) as client:
        yield client


def test_feedback_of_the_same_key_only(asked: TestClient, answers: Answers) -> None:
    answers.keep(KEEP, "k1", "r1", "shop", "2", [{"text": "一"}, {"text": "二"}], [{"label": "a"}, {"label": "b"}])
    body = {"request_id": "r1", "row": 1, "right": "退款", "comment": "写信给 a@example.com"}
    told = asked.post("/v1/feedback", json=body, headers={"authorization": "k1"})
    assert told.status_code == 201
    assert told.json() == {"request_id": "r1", "row": 1, "product": "shop", "version": "2", "predicted": {"label": "b"}}
    (said,) = answers.said("shop")
    assert (said["asked"], said["right"], said["comment"]) == ({"text": "二"}, "退款", "写信给 [EMAIL]")
    other = asked.post("/v1/feedback", json=body, headers={"authorization": "k2"})
    absent = asked.post("/v1/feedback", json=body | {"request_id": "no"}, headers={"authorization": "k2"})
    strip = [{k: v for k, v in one.json()["error"].items() if k != "request_id"} for one in (other, absent)]
    assert other.status_code == absent.status_code == 404 and strip[0] == strip[1]
    again = asked.post("/v1/feedback", json=body | {"right": ["x", 1]}, headers={"authorization": "k1"})
    assert again.status_code == 201 and [one["right"] for one in answers.said("shop")] == [["x", 1]]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"row": 1}, 422),
        ({"row": -1}, 422),
        ({"right": None}, 422),
        ({"right": "x" * 70_000}, 422),
        ({"comment": "x" * 5000}, 422),
        ({"more": 1}, 422),
        ({"request_id": ""}, 422),
        ({"row": 10**30}, 422),
    ],
)
def test_feedback_that_is_none(asked: TestClient, answers: Answers, change: dict[str, Any], status: int) -> None:
    answers.keep(KEEP, "k1", "r1", "shop", "2", ["x"], [{"label": "a"}])
    body = {"request_id": "r1", "right": "b"} | change
    assert asked.post("/v1/feedback", json=body, headers={"authorization": "k1"}).status_code == status
    assert answers.said("shop") == []


@pytest.mark.parametrize("body", [b'"\\ud800"', b'"\\u0000"', b"NaN", b"1" * 400, b"[" * 3000 + b"]" * 3000, b"1e999"])
def test_odd_answers_are_kept_or_refused(asked: TestClient, answers: Answers, body: bytes) -> None:
    answers.keep(KEEP, "k1", "r1", "shop", "2", ["x"], [{"label": "a"}])
    whole = b'{"request_id": "r1", "comment": "a\\u0000", "right": {"a": ' + body + b"}}"
    told = asked.post(
        "/v1/feedback", content=whole, headers={"authorization": "k1", "content-type": "application/json"}
    )
    assert told.status_code in (201, 400, 422)


def test_a_drain_is_bounded_and_writes_many_at_once() -> None:
    gate, written = threading.Event(), []

    def write(some: list[int]) -> None:
        gate.wait(5)
        written.append(some)

    drain = Drain(write, "test", most=10, seconds=0.01, together=4)
    drain.put(-1)
    while drain._waiting:  # until the writer holds the first, and waits at the gate
        pass
    assert [drain.put(n) for n in range(12)] == [True] * 10 + [False] * 2 and drain.dropped == 2
    gate.set()
    assert drain.flush()
    assert written == [[-1], [0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    drain.put(7)
    drain.close()
    assert written[-1] == [7] and not drain.put(8)
