"""Controls and texts, however files spell them; and no file is taken for such unless that is said."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tunesmith.data.rows import Rows
from tunesmith.data.schema import guess
from tunesmith.data.shapes.controlled_generation import ControlledShape
from tunesmith.data.shapes.settle import in_shape
from tunesmith.data.shapes.shape import RowProblem
from tunesmith.testing import toy_rows

FILE = [{"review": row["text"], "label": row["label"], "city": "上海" if i % 2 else "Rome"} for i, row in
        enumerate(toy_rows("en", 30))]  # fmt: skip


def test_any_column_of_labels_could_be_a_control_so_it_must_be_said() -> None:
    assert guess(Rows.of(FILE)).task == "text-classification"
    assert guess(Rows.of(FILE), columns={"text": "review"}).task == "text-classification"
    for found in (
        guess(Rows.of(FILE), columns={"control": "label"}),
        guess(Rows.of(FILE), task="controlled-generation"),
        guess(Rows.of(FILE), task="controlled-generation", columns={"control": "label", "text": "review"}),
    ):
        assert found.task == "controlled-generation" and dict(found.columns) == {"text": "review", "control": "label"}


def test_several_columns_are_several_controls() -> None:
    found = guess(Rows.of(FILE), columns={"control": ["label", "city"]})
    table, _ = in_shape(Rows.of(FILE), ControlledShape(), found.columns)
    rows = list(table)
    assert json.loads(rows[1]["control"]) == [FILE[1]["label"], "上海"] and rows[1]["text"] == FILE[1]["review"]
    (again,) = ControlledShape().read({"control": rows[1]["control"], "text": rows[1]["text"]}, target=True)
    assert again["control"] == [FILE[1]["label"], "上海"]


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("good", ["good"]),
        (1, ["1"]),
        (1.0, ["1"]),
        (0.5, ["0.5"]),
        (["好评", "酒店"], ["好评", "酒店"]),
        ('["a"]', ["a"]),
    ],
)
def test_spellings_of_a_control(value: Any, wanted: list[str]) -> None:
    (row,) = ControlledShape().read({"control": value}, target=False)
    assert row == {"control": wanted, "beginning": "", "length": ""}


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        ({"control": " ", "text": "a"}, "the control is empty"),
        ({"text": "a"}, "the control is empty"),
        ({"control": ["a", None], "text": "a"}, "the control is empty"),
        ({"control": "a", "text": " "}, "the text is empty"),
        (
            {"control": "a", "text": "b", "length": "huge"},
            'the length is none of short, medium, long, 短, 中, 长: "huge"',
        ),
    ],
)
def test_broken_rows_say_why(cells: dict[str, Any], problem: str) -> None:
    with pytest.raises(RowProblem, match=problem):
        list(ControlledShape().read(cells, target=True))
