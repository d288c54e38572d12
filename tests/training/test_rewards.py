"""What rewards say of texts, in English and Chinese; and what they refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import made_strategies
import pytest

from tunesmith.core.errors import DataError, RecipeError
from tunesmith.core.registry import family
from tunesmith.training.rewards.arithmetic import Arithmetic, number_in
from tunesmith.training.rewards.bundle import OfBundle
from tunesmith.training.rewards.format import Format
from tunesmith.training.rewards.length import Length
from tunesmith.training.rewards.together import Together


@pytest.mark.parametrize(
    ("text", "number"),
    [("17", 17), ("It is 12, so 5 are left: 7.", 7), ("答案是１，２３４。", 1234), ("−3.5 degrees", -3.5),
     ("1,000", 1000), ("none", None), ("", None), ("7 + 5 = 12.00", 12)],
)  # fmt: skip
def test_the_last_number(text: str, number: float | None) -> None:
    found = number_in(text)
    assert (None if found is None else float(found)) == number


def test_arithmetic_compares_with_the_rows_answer() -> None:
    rows: list[dict[str, Any]] = [
        {"answer": 12},
        {"answer": "12"},
        {"answer": "1,200"},
        {"answer": "5.0"},
        {"answer": 5},
    ]
    texts = ["so it is 12.", "一共12个", "1200", "5", "6"]
    assert Arithmetic()(rows, texts) == [1.0, 1.0, 1.0, 1.0, 0.0]
    behind = Arithmetic(after="(?i)answer:|答案：")
    assert behind([{"answer": 4}] * 4, ["Answer: 4, not 5", "4", "答案：４", "answer: none"]) == [1.0, 0.0, 1.0, 0.0]
    for odd in ({}, {"answer": None}, {"answer": "many"}):
        with pytest.raises(DataError, match='"answer"'):
            Arithmetic()([odd], ["4"])


def test_format_and_length() -> None:
    assert Format("答案[:：]")([{}] * 2, ["所以答案：四", "四"]) == [1.0, 0.0]
    assert Format("a.b", whole=True)([{}] * 2, [" a\nb ", "xa b"]) == [1.0, 0.0]
    assert Length(4, 8)([{}] * 5, ["", "好好", "好好好好", "x" * 10, "x" * 16]) == [0.0, 0.5, 1.0, 0.75, 0.0]
    with pytest.raises(RecipeError, match="least=5 and most=4"):
        Length(5, 4)


def test_a_classifiers_probability(run: Any, tmp_path: Path) -> None:
    place = made_strategies.bundle(tmp_path / "judge", run.fresh(), run.task, run.processor)
    reward = OfBundle(str(place), "positive")
    assert reward.problem() is None
    texts = ["The room was great.", "", "房间很脏。"]
    found = reward([{}] * 3, texts)
    from tunesmith.bundle.read import read_bundle

    wanted = [p["scores"]["positive"] for p in read_bundle(place).predict([texts[0], texts[2]])]
    assert found == pytest.approx([wanted[0], 0.0, wanted[1]])
    assert "no class" in str(OfBundle(str(place), "funny").problem())
    assert "no bundle" in str(OfBundle(str(tmp_path / "nowhere"), "positive").problem())


class TestTogether:
    def test_a_weighted_sum_and_each_by_itself(self) -> None:
        made = Together(["arithmetic", {"name": "format", "pattern": "=", "weight": 0.5}, {"name": "format"}])
        total, each = made([{"answer": 3}] * 2, ["1 + 2 = 3", "4"])
        assert total == [2.5, 1.0] and each == {"arithmetic": [1, 0], "format": [1, 0], "format_2": [1, 1]}
        assert made.reads == ("answer",)

    @pytest.mark.parametrize(
        ("blocks", "words"),
        [([], "is empty"), (["arithmetics"], "no reward"), ([{"pattern": "x"}], "names no reward"),
         ([{"name": "format", "weight": "much"}], "a weight is"), ([{"name": "format", "patern": "x"}], "options of"),
         ([{"name": "format", "pattern": "("}], "no regular expression"),
         ([{"name": "length", "most": 0}], "options of")],
    )  # fmt: skip
    def test_mistakes_are_told_before_anything_is_loaded(self, blocks: Any, words: str) -> None:
        with pytest.raises(RecipeError, match=words):
            family("strategies").make("grpo", {"rewards": blocks})
