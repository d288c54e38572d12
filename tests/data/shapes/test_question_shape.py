"""Questions with places of answers, in all their spellings; and what is wrong with some."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tunesmith.data.rows import Rows
from tunesmith.data.schema import guess
from tunesmith.data.shapes.extractive_qa import QuestionShape
from tunesmith.data.shapes.shape import RowProblem

EN = "Ann wrote it in Rome. Bob lives in Rome."
ZH = "🙂小明住在北京，小红住在上海。"


def read(shape: QuestionShape | None = None, **cells: Any) -> dict[str, Any]:
    given = {"question": "Who?", "context": EN, **cells}
    (row,) = (shape or QuestionShape()).read(given, target=True)
    return row


def answers(**cells: Any) -> list[tuple[str, int]]:
    return [(answer["text"], answer["start"]) for answer in read(**cells)["answers"]]


@pytest.mark.parametrize(
    "cells",
    [
        {"answers": [{"text": "Ann", "start": 0}]},
        {"answers": [{"text": "Ann", "answer_start": 0}]},
        {"answers": json.dumps([{"text": "Ann", "answer_start": 0}])},
        {"answers": {"text": ["Ann"], "answer_start": [0]}},
        {"answers": '{"text": ["Ann"], "answer_start": [0]}'},
        {"answers": {"text": "Ann", "answer_start": 0}},
        {"answers": "Ann", "answer_start": 0},
        {"answers": "Ann"},
        {"answers": ["Ann"]},
        {"answers": ["Ann"], "answer_start": [0]},
        {"answers": [" Ann "], "answer_start": "[-1]"},
        {"answers": [{"text": "Ann", "start": 0}], "is_impossible": False},
    ],
)
def test_spellings_of_one_answer(cells: dict[str, Any]) -> None:
    assert answers(**cells) == [("Ann", 0)]


def test_several_references_and_the_second_of_two_places() -> None:
    given = [{"text": "Rome", "answer_start": 35}, {"text": "Rome. ", "answer_start": 16}]
    assert answers(answers=given) == [("Rome", 35), ("Rome.", 16)]
    assert answers(answers="Rome") == [("Rome", 16)], "without a place it is the first"


def test_places_count_characters_of_the_original_text() -> None:
    assert answers(question="谁住在上海？", context=ZH, answers="小红") == [("小红", ZH.index("小红"))]


@pytest.mark.parametrize(
    "cells",
    [
        {"answers": []}, {"answers": None}, {"answers": ""}, {"answers": {"text": [], "answer_start": []}},
        {"answers": [{"text": "Ann", "start": 0}], "is_impossible": True},
        {"answers": "[]", "is_impossible": "true"}, {"is_impossible": 1},
    ],
)  # fmt: skip
def test_no_answer(cells: dict[str, Any]) -> None:
    assert answers(**cells) == []


def test_a_wrong_place_is_mended_where_there_is_only_one() -> None:
    shape = QuestionShape()
    row = read(shape, answers=[{"text": "Bob", "answer_start": 3}])
    assert row["answers"] == [{"text": "Bob", "start": 22}]
    assert list(shape.repaired().values()) == [1]
    assert sum(QuestionShape().repaired().values()) == 0


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        ({"answers": "Carl"}, "answer not in its context"),
        ({"answers": [{"text": "Rome", "answer_start": 3}]}, "answer not at its place, and in several others"),
        ({"answers": [{"text": "Ann", "answer_start": 0}, {"text": "Carl"}]}, "answer not in its context"),
        ({"answers": [{"text": " ", "answer_start": 0}]}, "an answer is empty"),
        ({"answers": [], "is_impossible": "false"}, "there is no answer"),
        ({}, "no answers are given"),
        ({"question": " ", "answers": "Ann"}, "the question is empty"),
        ({"context": "", "answers": "Ann"}, "the context is empty"),
        ({"context": None, "answers": "Ann"}, "the context is empty"),
    ],
)
def test_broken_rows_say_what_and_where(cells: dict[str, Any], problem: str) -> None:
    with pytest.raises(RowProblem, match=problem) as found:
        read(**cells)
    assert not str(found.value).endswith(".")


def test_rows_to_predict_need_no_answer_and_rows_read_again_stay_the_same() -> None:
    (asked,) = QuestionShape().read({"question": "Who?", "context": EN}, target=False)
    assert asked == {"question": "Who?", "context": EN}
    row = read(answers="Bob")
    assert next(QuestionShape().read(row, target=True)) == row


@pytest.mark.parametrize(
    "rows",
    [
        [{"id": i, "question": f"Who? {i}", "context": EN, "answers": [{"text": "Ann", "start": 0}]} for i in range(9)],
        [{"问题": f"谁？{i}", "段落": ZH, "答案": "小红"} for i in range(9)],
        [{"query": f"Who {i}?", "passage": EN + str(i), "answer": "Bob" if i % 3 else ""} for i in range(9)],
    ],
)
def test_it_is_guessed(rows: list[dict[str, Any]]) -> None:
    found = guess(Rows.of(rows))
    assert found.task == "extractive-qa"
    assert {"question", "context", "answers"} == set(found.columns)


def test_answers_that_stand_nowhere_are_not_of_this_shape() -> None:
    rows = [
        {"question": f"Is it good? {i}", "context": EN + str(i), "answer": "yes" if i % 2 else "no"} for i in range(30)
    ]
    assert guess(Rows.of(rows)).task == "text-classification"


@pytest.mark.parametrize("answers", [("yes", "no"), ("是", "否"), ("A", "B", "C"), (True, False)])
def test_answers_that_are_chosen_from_a_few_are_classes(answers: tuple[Any, ...]) -> None:
    texts = [f"I know that A and B are yes, C is no, 是 or 否, true or false, of number {i}." for i in range(30)]
    rows = Rows.of(
        [
            {"question": f"Is it the {i}th?", "passage": text, "answer": answers[i % len(answers)]}
            for i, text in enumerate(texts)
        ]
    )
    found = guess(rows)
    assert found.task == "text-classification"
    assert found.columns == {"text": "question", "text_pair": "passage", "label": "answer"}


def test_answers_stand_in_their_own_texts() -> None:
    """Words that other rows' texts hold prove nothing; where some have no answer, the rest still stand in theirs."""
    named = [f"person {i}" for i in range(30)]
    texts = [f"Here {name} lives, as all know." for name in named]
    turned = [*named[1:], named[0]]

    def task(given: list[str | None]) -> str:
        rows = [{"question": f"Who is {i}?", "context": texts[i], "answer": given[i]} for i in range(30)]
        return guess(Rows.of(rows)).task

    assert task(list(named)) == "extractive-qa"
    assert task(list(turned)) != "extractive-qa"
    assert task([None if i % 3 == 0 else name for i, name in enumerate(named)]) == "extractive-qa"


def test_short_answers_of_many_are_places() -> None:
    rows = [
        {
            "question": f"第{i}次是谁？",
            "context": f"第{i}次来的人是王{chr(0x4E00 + i % 60)}，大家都知道。",
            "answer": f"王{chr(0x4E00 + i % 60)}",
        }
        for i in range(200)
    ]
    assert guess(Rows.of(rows)).task == "extractive-qa"
