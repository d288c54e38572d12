from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tunesmith.core.errors import RecipeError
from tunesmith.service.problems import Refused
from tunesmith.service.safety.guard import Guard
from tunesmith.service.safety.limits import tokens_within
from tunesmith.service.safety.policy import Filter, Limits, Policy


def guard(*filters: dict[str, Any], on: str = "prompts", **more: Any) -> Guard:
    made = [Filter(name=f"f{i}", **given) for i, given in enumerate(filters)]
    return Guard(Policy(**{on: made}), **more)


def test_block_names_the_filter_and_not_the_word() -> None:
    with pytest.raises(Refused) as caught:
        guard({"words": ["笨蛋", "idiot"]}).before([{"text": "fine"}, {"text": "你这笨蛋"}])
    assert (caught.value.status, caught.value.code) == (400, "content_filter")
    assert "f0" in caught.value.message and "笨蛋" not in caught.value.message


def test_mask_keeps_places_and_says_which_row() -> None:
    rows = [{"text": "ok", "n": 1}, {"question": "Ｉｄｉｏｔ?", "choices": ["an idiot", "笨蛋"], "words": [[0, 5]]}]
    held, flags = guard({"words": ["idiot", "笨蛋"], "action": "mask"}).before(rows)
    assert held == [{"text": "ok", "n": 1}, {"question": "*****?", "choices": ["an *****", "**"], "words": [[0, 5]]}]
    assert flags == [{"row": 1, "filter": "f0", "on": "prompt", "action": "mask"}]
    assert rows[1]["question"] == "Ｉｄｉｏｔ?"


def test_flag_changes_nothing() -> None:
    held, flags = guard({"rules": [r"\d{4}"], "action": "flag"}).before([{"text": "pin １２３４"}])
    assert held == [{"text": "pin １２３４"}] and [f["action"] for f in flags] == ["flag"]


def test_outputs_are_filtered_and_prompts_are_not() -> None:
    made = guard({"words": ["gold"], "action": "mask"}, on="outputs")
    assert made.before([{"text": "gold"}]) == ([{"text": "gold"}], [])
    held, flags = made.after([{"answer": "all Gold", "spans": [{"text": "gold", "start": 4}], "gold": 0.5}])
    assert held == [{"answer": "all ****", "spans": [{"text": "****", "start": 4}], "gold": 0.5}]
    assert flags[0]["on"] == "output"


def test_rows_may_be_texts_and_pairs() -> None:
    held, flags = guard({"words": ["idiot"], "action": "mask"}).before(["an idiot", ("a", "idiot"), ["idiot"]])
    assert held == ["an *****", ("a", "*****"), ["*****"]] and [f["row"] for f in flags] == [0, 1, 2]


def test_filters_come_one_after_the_other() -> None:
    made = guard({"words": ["secret"], "action": "mask"}, {"words": ["secret"], "action": "block"})
    assert made.before([{"text": "a secret"}])[0] == [{"text": "a ******"}]


@pytest.mark.parametrize("action", ["block", "mask", "flag"])
def test_a_rule_cannot_be_made_to_run_long(action: str) -> None:
    made = guard({"rules": [r"(a+)+$", r"(.*a){20}b"], "action": action})
    started = time.perf_counter()
    try:
        held, flags = made.before([{"text": "a" * 5000 + "!"}])
        assert action == "flag" and flags
    except Refused as refused:
        assert action != "flag" and refused.code == "content_filter"
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize("rule", ["(", "a*", "", "x|"])
def test_rules_that_are_none(rule: str) -> None:
    with pytest.raises(RecipeError):
        guard({"rules": [rule]})


def toxic(name: str, texts: Sequence[str]) -> list[Mapping[str, Any]]:
    assert name == "toxicity"
    return [
        {"label": "bad" if "坏" in t else "good", "score": 0.9, "scores": {"bad": 0.9 if "坏" in t else 0.1}}
        for t in texts
    ]


def test_a_classifier_reads_each_text_once_and_masks_it_whole() -> None:
    spec = {"classifier": "toxicity", "labels": ["bad"], "score": 0.8, "action": "mask"}
    made = guard(spec, classify=toxic)
    held, flags = made.before([{"text": "坏人", "note": ""}, {"text": "好人"}])
    assert held == [{"text": "**", "note": ""}, {"text": "好人"}] and [f["row"] for f in flags] == [0]
    assert made.computes and not guard({"words": ["a"]}).computes
    with pytest.raises(RecipeError):
        guard(spec)
    unsure = guard({**spec, "score": 0.95}, classify=toxic)
    assert unsure.before([{"text": "坏人"}])[1] == []


def test_words_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("# ours\n笨蛋\n\n  Idiot \n", "utf-8")
    made = guard({"file": "words.txt"}, folder=tmp_path)
    for text in ("笨蛋", "idiot"):
        with pytest.raises(Refused):
            made.before([{"text": text}])
    assert made.before([{"text": "# ours"}])[1] == []
    with pytest.raises(RecipeError):
        guard({"file": "absent.txt"}, folder=tmp_path)
    with pytest.raises(RecipeError):
        guard({"words": ["  "]})


@pytest.mark.parametrize(
    "given",
    [{}, {"words": ["a"], "rules": ["b"]}, {"classifier": "x"}, {"words": ["a"], "labels": ["b"]}, {"wrods": ["a"]}],
)
def test_filters_that_are_none(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Filter(name="x", **given)


def test_limits() -> None:
    made = Guard(Policy(limits=Limits(rows=2, characters=4, bytes=9)))
    assert made.before([{"text": "好好好"}]) == ([{"text": "好好好"}], [])
    for rows in ([{}] * 3, [{"a": ["12345"]}], [{"text": "好好好"}, {"text": "x"}]):
        with pytest.raises(Refused) as caught:
            made.before(rows)
        assert (caught.value.status, caught.value.code) == (413, "too_large")
    features = [{"row": row, "input_ids": [7] * count} for row, count in ((3, 1), (4, 3), (4, 2))]
    tokens_within(Limits(tokens=5), features)
    with pytest.raises(Refused, match="6 tokens in a row"):
        tokens_within(Limits(tokens=5), [*features, {"row": 4, "input_ids": [7]}])
