"""What a bundle of several modalities is asked: every column that is there is read, and what is not there is told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tunesmith.bundle.questions import columns_of, from_lines, from_rows
from tunesmith.core.contracts import Task
from tunesmith.data.rows import Rows
from tunesmith.tasks import TASKS

TRAINED: dict[str, Any] = {"image": "photo", "text": "name", "numeric": ["price", "weight"], "label": "kind"}


@pytest.fixture
def task() -> Task:
    made: Task = TASKS.make("multimodal-classification")
    return made


def test_a_trained_column_that_a_file_lacks_is_told_and_the_others_are_read(task: Task) -> None:
    told: list[str] = []
    rows = Rows.of([{"picture": "a.png", "name": "a shoe", "price": 3}])
    columns = columns_of(task, rows, {}, TRAINED, tell=told.append)
    assert columns == {"text": "name", "numeric": ["price"]}
    assert [one.partition(",")[0] for one in told] == [
        'image: there is no column "photo"', 'numeric: there is no column "weight"',
    ]  # fmt: skip
    (asked,) = from_rows(task, rows, columns)
    assert asked.row == {"text": "a shoe", "numeric": {"price": 3.0}}
    told.clear()
    assert columns_of(task, rows, {"image": "picture", "numeric": "price"}, TRAINED, tell=told.append) == {
        "image": "picture", "text": "name", "numeric": "price",
    }  # fmt: skip
    assert not told
    assert columns_of(task, Rows.of([{"image": "a.png", "name": "a"}]), {}, TRAINED)["image"] == "image"


@pytest.mark.parametrize("numeric", ["price", ["price", "weight"]])
def test_lines_are_read_as_files_are(task: Task, numeric: Any) -> None:
    told: list[str] = []
    lines = [json.dumps({"name": "a shoe", "price": 3}), json.dumps({"text": "a hat", "numeric": {"price": 4}})]
    first, second = from_lines(task, lines, {**TRAINED, "numeric": numeric}, told.append)
    assert first.row == {"text": "a shoe", "numeric": {"price": 3.0}}
    assert second.row == {"text": "a hat", "numeric": {"price": 4.0}}
    assert told[0].startswith('image: there is no column "photo"')
    assert ["weight" in one for one in told[1:]] == ([True] if len(numeric) == 2 else [])
