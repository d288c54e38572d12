"""Problems with programs and tests, in the spellings of MBPP, HumanEval and tables."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tunesmith.data.rows import Rows
from tunesmith.data.schema import guess
from tunesmith.data.shapes.code_generation import CodeShape
from tunesmith.data.shapes.settle import in_shape
from tunesmith.data.shapes.shape import RowProblem

CODE = "def add(a, b):\n    return a + b"
MBPP = {
    "task_id": 2,
    "text": "Write a function to add two numbers.",
    "code": CODE.replace("\n", "\r\n"),
    "test_list": ["assert add(1, 2) == 3", "assert add(0, 0) == 0"],
    "test_setup_code": "",
    "challenge_test_list": [],
}
HUMAN_EVAL = {
    "task_id": "HumanEval/0",
    "prompt": 'def add(a, b):\n    """ Add them. """\n',
    "canonical_solution": "    return a + b\n",
    "test": "def check(candidate):\n    assert candidate(1, 2) == 3\n",
    "entry_point": "add",
}
CHINESE = {"题目": "写一个函数，把两个数相加。", "代码": CODE, "测试": "assert add(1, 2) == 3"}


def from_file(rows: list[dict[str, Any]]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Columns guessed, rows read by them."""
    found = guess(Rows.of(rows))
    assert found.task == "code-generation" and found.why
    table, _ = in_shape(Rows.of(rows), CodeShape(), found.columns)
    return dict(found.columns), [{**row, "tests": json.loads(row["tests"])} for row in table]


def test_mbpp() -> None:
    columns, rows = from_file([MBPP, {**MBPP, "text": "Add again."}])
    assert columns == {"text": "text", "target": "code", "tests": "test_list", "test_setup": "test_setup_code"}
    assert rows[0]["target"] == CODE and rows[0]["tests"] == MBPP["test_list"] and rows[0]["test_setup"] == ""


def test_human_eval_calls_its_check() -> None:
    columns, (row,) = from_file([HUMAN_EVAL])
    assert columns["entry_point"] == "entry_point" and columns["tests"] == "test"
    assert row["text"] == HUMAN_EVAL["prompt"] and row["target"] == "    return a + b"
    assert row["tests"] == ["def check(candidate):\n    assert candidate(1, 2) == 3", "check(add)"]
    (again,) = CodeShape().read({role: row[role] for role in CodeShape.roles}, target=True)
    assert again == {role: row[role] for role in again}, "what was read is read as the same"


def test_chinese_names_and_a_prompt_with_its_completion() -> None:
    columns, (row,) = from_file([CHINESE])
    assert columns == {"text": "题目", "target": "代码", "tests": "测试"} and row["tests"] == ["assert add(1, 2) == 3"]
    columns, (row,) = from_file([{"prompt": "Add two numbers.", "completion": CODE}])
    assert columns == {"text": "prompt", "target": "completion"} and row["tests"] == []


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "How are you?", "completion": "Fine, thank you, and how is your sister?"},
        {"text": "The test was hard.", "test": "yes", "label": "bad"},
        {"question": "Who?", "answer": "Me."},
    ],
)
def test_words_are_no_code(row: dict[str, Any]) -> None:
    assert guess(Rows.of([row, {key: f"{value} Again." for key, value in row.items()}])).task != "code-generation"


@pytest.mark.parametrize(
    ("cells", "target", "problem"),
    [
        ({"text": " ", "target": CODE}, True, "the problem is empty"),
        ({"text": "Add.", "target": "\n"}, True, "the program is empty"),
        ({"text": "Add."}, True, "the program is empty"),
        ({"text": "Add.", "tests": {"a": 1}}, False, "the tests are no list of texts"),
        ({"text": "Add.", "tests": [1]}, False, "the tests are no list of texts"),
        ({"text": "加。", "entry_point": "os.system('x')"}, False, "no name of a function: \"os.system('x')\""),
    ],
)
def test_broken_rows_say_why(cells: dict[str, Any], target: bool, problem: str) -> None:
    with pytest.raises(RowProblem, match=problem.replace("(", r"\(").replace(")", r"\)")):
        list(CodeShape().read(cells, target=target))
