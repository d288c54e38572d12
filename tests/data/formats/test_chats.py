"""Conversations -> a format -> conversations: equal, in English and Chinese, with preferences and without."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunesmith.core.recipe import DataBlock
from tunesmith.data.convert import annotated, by_role
from tunesmith.data.formats import FORMATS
from tunesmith.data.formats.format import Writing

CHATS = ["messages", "sharegpt", "alpaca", "prompt-completion", "jsonl"]
ROLES = ("messages", "rejected", "desirable")


def talk(*said: str, system: str = "", **more: Any) -> dict[str, Any]:
    messages = [{"role": role, "content": c} for role, c in zip(["user", "assistant"] * len(said), said, strict=False)]
    return {"messages": [{"role": "system", "content": system}, *messages] if system else messages, **more}


SINGLE = [talk("Who?", "Ann 😀."), talk("谁？", "安娜。"), talk('say ["x"]', '["x"]'), talk(" a\n\tb ", "\n{not json")]
SEVERAL = [*SINGLE, talk("a", "b", "c", "d", system="Be brief. 请简短。"), talk("一", "二", "三", "四")]
PREFERRED = [{**row, "rejected": "不知道。"} for row in SEVERAL]
JUDGED = [{**row, "desirable": i % 2 == 0} for i, row in enumerate(SEVERAL)]


def through(name: str, rows: list[dict[str, Any]], path: Path) -> list[dict[str, Any]]:
    writing = Writing()
    FORMATS.make(name).write(rows, path, writing)
    assert writing.entries == len(rows) and not +writing.left
    task, found, columns = annotated(DataBlock(path=str(path)), "auto", [])
    assert task == "dialogue" and not found.broken
    return [{role: row[role] for role in ROLES if role in row} for row in by_role(found, columns)]


@pytest.mark.parametrize("suffix", ["json", "jsonl"])
@pytest.mark.parametrize("name", CHATS)
@pytest.mark.parametrize("rows", [SINGLE, SEVERAL, PREFERRED, JUDGED], ids=["single", "several", "pairs", "judged"])
def test_round_trip(name: str, rows: list[dict[str, Any]], suffix: str, tmp_path: Path) -> None:
    if name == "messages" and len(rows[0]) > 1:
        pytest.skip("it has no place for preferences, and says so below")
    assert through(name, rows, tmp_path / f"there.{suffix}") == rows


TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20).filter(lambda t: t.strip())


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=st.lists(st.lists(TEXT, min_size=2, max_size=6).filter(lambda s: len(s) % 2 == 0), min_size=1, max_size=4))
@pytest.mark.parametrize("name", CHATS)
def test_round_trip_of_anything(name: str, said: list[list[str]], tmp_path: Path) -> None:
    rows = [talk(*texts) for texts in said]
    assert through(name, rows, tmp_path / "there.jsonl") == rows


def test_answers_that_are_not_learned_stay_so_or_are_counted(tmp_path: Path) -> None:
    row = talk("a", "b", "c", "d")
    row["messages"][1]["weight"] = 0
    for name in ("messages", "sharegpt", "prompt-completion", "jsonl"):
        assert through(name, [row], tmp_path / f"{name}.jsonl") == [row], name
    writing = Writing()
    FORMATS.make("alpaca").write([row], tmp_path / "alpaca.jsonl", writing)
    assert list(writing.left.values()) == [1] and "weights of 0" in next(iter(writing.left))


def test_preferences_that_a_format_does_not_hold_are_counted(tmp_path: Path) -> None:
    writing = Writing()
    FORMATS.make("messages").write(PREFERRED, tmp_path / "a.jsonl", writing)
    assert writing.left == {"rejected are not held by messages": len(PREFERRED)}


def test_each_format_looks_as_its_tool_wants(tmp_path: Path) -> None:
    row = [talk("a", "b", "q", "yes", system="s", rejected="no")]

    def made(name: str, rows: list[dict[str, Any]]) -> Any:
        FORMATS.make(name).write(rows, tmp_path / "x.json", Writing())
        return json.loads((tmp_path / "x.json").read_text("utf-8"))[0]

    system, one, two, three = ({"from": f, "value": v} for f, v in
                               [("system", "s"), ("human", "a"), ("gpt", "b"), ("human", "q")])  # fmt: skip
    assert made("sharegpt", row) == {
        "conversations": [system, one, two, three],
        "chosen": {"from": "gpt", "value": "yes"},
        "rejected": {"from": "gpt", "value": "no"},
    }
    assert made("alpaca", row) == {
        "instruction": "q", "input": "", "chosen": "yes", "rejected": "no", "system": "s", "history": [["a", "b"]],
    }  # fmt: skip
    assert made("prompt-completion", [talk("q", "yes", desirable=False)]) == {
        "prompt": "q", "completion": "yes", "label": False,
    }  # fmt: skip
    assert made("prompt-completion", row)["chosen"] == [{"role": "assistant", "content": "yes"}]
    assert made("messages", [talk("q", "yes", extra={"source": "me"})]) == {"source": "me", **talk("q", "yes")}
