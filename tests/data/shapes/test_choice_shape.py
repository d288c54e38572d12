"""Questions with choices, in all their spellings; and what is wrong with some."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tunesmith.data.rows import Rows
from tunesmith.data.schema import guess
from tunesmith.data.shapes.choices import option_columns
from tunesmith.data.shapes.multiple_choice import ChoiceShape
from tunesmith.data.shapes.settle import in_shape
from tunesmith.data.shapes.shape import RowProblem

SKY = ["sun", "rain", "snow"]
STEM = {"stem": "What is wet?", "choices": [{"label": "A", "text": "sun"}, {"label": "B", "text": "rain"}]}


def read(target: bool = True, **cells: Any) -> dict[str, Any]:
    (row,) = ChoiceShape().read({"question": "What is wet?", **cells}, target=target)
    return row


def from_file(rows: list[dict[str, Any]]) -> tuple[dict[str, Any], list[dict[str, Any]], list[str]]:
    """Columns guessed, rows read by them, reasons."""
    found = guess(Rows.of(rows))
    assert found.task == "multiple-choice", found
    notes: list[str] = []
    table, _ = in_shape(Rows.of(rows), ChoiceShape(), found.columns, notes=notes)
    kept = [
        {"question": r["question"], "choices": json.loads(r["choices"]), "answer": r["answer"], "context": r["context"]}
        for r in table
    ]
    return dict(found.columns), kept, [*found.why, *notes]


@pytest.mark.parametrize(
    "cells",
    [
        {"choices": SKY, "answer": 1},
        {"choices": json.dumps(SKY), "answer": "1"},
        {"choices": SKY, "answer": 1.0},
        {"choices": SKY, "answer": "B"},
        {"choices": SKY, "answer": "(b)"},
        {"choices": SKY, "answer": " Rain "},
        {"choices": SKY, "answer_from_1": 2},
        {"choices": ["sun", "rain", "snow", None, ""], "answer": 1},
        {"choices": {"A": "sun", "B": "rain", "C": "snow"}, "answer": "B"},
        {"choices": {"label": ["1", "2", "3"], "text": SKY}, "answer": "2"},
        {"choices": [{"label": "x", "text": "sun"}, {"label": "y", "text": "rain"}, "snow"], "answer": "rain"},
    ],
)
def test_spellings_of_choices_and_answers(cells: dict[str, Any]) -> None:
    assert read(**cells) == {"question": "What is wet?", "context": "", "choices": SKY, "answer": 1}


def test_rows_read_again_stay_the_same_and_requests_need_no_answer() -> None:
    row = read(choices=SKY, answer="snow", context="下雪了。")
    assert next(ChoiceShape().read(row, target=True)) == row
    assert "answer" not in read(target=False, choices=SKY)


def test_copa_asks_in_words() -> None:
    rows = [
        {"premise": f"The man {i} lost his balance.", "choice1": "He fell.", "choice2": "He slept.",
         "question": ("effect", "cause")[i % 2], "label": 0}
        for i in range(12)
    ]  # fmt: skip
    columns, kept, _ = from_file(rows)
    assert columns["context"] == "premise" and columns["choices"] == ["choice1", "choice2"]
    assert kept[0]["question"] == "What happened as a result?" and kept[1]["question"] == "What was the cause of this?"
    assert kept[0]["context"] == "The man 0 lost his balance."
    (chinese,) = ChoiceShape().read(
        {"question": "cause", "context": "地上湿了。", "choices": ["下雨了。", "天晴了。"]}, target=False
    )
    assert chinese["question"] == "这件事的原因是什么？"


def test_commonsenseqa_in_its_own_form() -> None:
    columns, kept, _ = from_file([{"id": str(i), "question": STEM, "answerKey": "B"} for i in range(6)])
    assert columns == {"question": "question", "answer": "answerKey"}
    assert kept[0] == {"question": "What is wet?", "choices": ["sun", "rain"], "answer": 1, "context": ""}


@pytest.mark.parametrize("names", [list("ABC"), ["option_a", "option_b", "option_c"], ["选项A", "选项B", "选项C"]])
def test_a_column_each(names: list[str]) -> None:
    rows = [{"question": f"Wet? {i}", **dict(zip(names, SKY, strict=True)), "answer": "ABC"[i % 3]} for i in range(9)]
    columns, kept, _ = from_file(rows)
    assert columns["choices"] == names and [row["answer"] for row in kept[:3]] == [0, 1, 2]


def test_rows_with_fewer_choices_than_columns() -> None:
    rows = [
        {"question": f"Wet? {i}", "choice_0": "sun", "choice_1": "rain", "choice_2": "snow" if i % 2 else None,
         "label": i % 2}
        for i in range(10)
    ]  # fmt: skip
    _, kept, _ = from_file(rows)
    assert [len(row["choices"]) for row in kept[:2]] == [2, 3]


def test_answers_counted_from_1_are_seen_and_said() -> None:
    rows = [{"question": f"Wet? {i}", "choices": SKY, "answer": 1 + i % 3} for i in range(9)]
    columns, kept, why = from_file(rows)
    assert "answer_from_1" in columns and any("from 1" in reason for reason in why)
    assert [row["answer"] for row in kept[:3]] == [0, 1, 2]
    columns, kept, _ = from_file([{**row, "answer": row["answer"] - 1} for row in rows])
    assert "answer" in columns and [row["answer"] for row in kept[:3]] == [0, 1, 2]


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        ({"choices": ["sun"], "answer": 0}, "only one choice"),
        ({"choices": [], "answer": 0}, "there are no choices"),
        ({"choices": None, "answer": 0}, "there are no choices"),
        ({"choices": "sun", "answer": 0}, "the choices are no list"),
        ({"choices": ["sun", " ", "rain"], "answer": 0}, "choice 2 is empty"),
        ({"choices": ["sun", "sun"], "answer": 0}, "all choices are the same"),
        ({"choices": SKY, "answer": 3}, "answer outside of the choices"),
        ({"choices": SKY, "answer": -1}, "answer outside of the choices"),
        ({"choices": SKY, "answer": "D"}, "answer outside of the choices"),
        ({"choices": SKY, "answer": "fog"}, "answer is none of its choices"),
        ({"choices": SKY, "answer": ""}, "there is no answer"),
        ({"choices": SKY, "answer": 0, "question": " "}, "the question is empty"),
    ],
)
def test_broken_rows_say_what(cells: dict[str, Any], problem: str) -> None:
    with pytest.raises(RowProblem, match=problem) as found:
        read(**cells)
    assert not str(found.value).endswith(".")


def test_of_choices_with_the_same_text_the_first_is_right() -> None:
    assert read(choices=["sun", "rain", "rain"], answer=2)["answer"] == 1


def test_option_columns_are_only_those_in_a_row() -> None:
    assert option_columns(["A", "B", "D"]) == []
    assert option_columns(["a1", "x"]) == []
    assert option_columns(["ending3", "ending0", "ending2", "ending1"]) == [f"ending{i}" for i in range(4)]


def test_a_text_with_a_label_is_not_of_this_shape() -> None:
    rows = [{"question": f"Is it wet? {i}", "label": ("yes", "no")[i % 2]} for i in range(30)]
    assert guess(Rows.of(rows)).task == "text-classification"
