"""Answers marked bad are not imitated, and nothing is measured by them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tunesmith.core.errors import DataError
from tunesmith.pipeline.plan import Plan, as_recipe, plan
from tunesmith.testing import tiny_llama


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(tiny_llama(tmp_path_factory.mktemp("model") / "m", texts=["good answer bad question"]))


def planned(place: Path, model: Path, bad: Any, *more: str, flag: str = "kto_tag") -> Plan:
    rows = [
        {"prompt": f"question {i}", "completion": f"answer {i} of {'bad' if bad(i) else 'good'}", flag: not bad(i)}
        for i in range(60)
    ]
    file = place / "thumbs.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    again = ("task=dialogue", f"model={model}", "data.split.near_duplicates=false", f"bundle={place / 'out'}")
    return plan(as_recipe(str(file), [*again, *more]))


def flags(rows: list[dict[str, Any]]) -> set[bool]:
    return {row["desirable"] for row in rows}


def test_only_kto_learns_from_bad_answers(tmp_path: Path, model: Path) -> None:
    plain = planned(tmp_path, model, lambda i: i % 3 == 0).data
    assert flags(plain.train) == flags(plain.validation) == flags(plain.test) == {True}
    left_out = [note for note in plain.notes if "marks their answers bad" in note]
    assert sum(int(note.split()[0]) for note in left_out) == 20
    kto = planned(tmp_path, model, lambda i: i % 3 == 0, "training.strategies=[kto]").data
    assert flags(kto.train) == {True, False} and flags(kto.test) == {True}
    grpo = "training.strategies=[{name: grpo, rewards: [length]}]"
    assert flags(planned(tmp_path, model, lambda i: i % 3 == 0, grpo).data.train) == {True, False}


def test_a_column_called_label_is_a_flag_where_that_is_read_or_said(tmp_path: Path, model: Path) -> None:
    plain = planned(tmp_path, model, lambda i: i % 3 == 0, flag="label").data
    assert "desirable" not in plain.columns and not any("bad" in note for note in plain.notes)
    assert sum(map(len, (plain.train, plain.validation, plain.test))) == 60
    assert any("data.desirable=label" in why for why in plain.why)
    kto = planned(tmp_path, model, lambda i: i % 3 == 0, "training.strategies=[kto]", flag="label").data
    assert kto.columns["desirable"] == "label" and flags(kto.train) == {True, False}
    said = planned(tmp_path, model, lambda i: i % 3 == 0, "data.desirable=label", flag="label").data
    assert flags(said.train) == {True} and any('column "label" marks their answers bad' in note for note in said.notes)


def test_nothing_but_bad_answers_is_refused(tmp_path: Path, model: Path) -> None:
    with pytest.raises(DataError, match="nothing to imitate"):
        planned(tmp_path, model, lambda i: True)
