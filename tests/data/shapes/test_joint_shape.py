"""Rows of entities and relations; and broken ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tunesmith.data.read import read
from tunesmith.data.schema import guess
from tunesmith.data.shapes.entities_and_relations import JointShape
from tunesmith.data.shapes.shape import RowProblem

TEXT = "Anna 在 Acme works 😀"
ANNA, ACME = {"start": 0, "end": 4, "label": "person"}, {"start": 7, "end": 11, "label": "company"}


def read_one(target: bool = True, **cells: Any) -> dict[str, Any]:
    (row,) = JointShape().read({"text": TEXT, **cells}, target=target)
    return row


@pytest.mark.parametrize(
    "cells",
    [
        {"spans": [ANNA, ACME], "relations": [{"head": 0, "tail": 1, "label": "works for"}]},
        {"spans": [ACME, ANNA], "relations": [{"head": 1, "tail": 0, "type": "works for"}]},
        {"spans": [ANNA, ACME], "relations": [[0, 1, "works for"]]},
        {"spans": [ANNA, ACME], "relations": [[0, "works for", 1], ["works for", 0, 1]]},
        {"spans": [[0, 4, "person"], [7, 11, "company"]], "relations": '[{"from": 0, "to": 1, "label": "works for"}]'},
        {"spans": json.dumps([ANNA, ACME]), "relations": [{"head": ANNA, "tail": [7, 11], "relation": "works for"}]},
    ],
)
def test_all_spellings_are_the_same_row(cells: dict[str, Any]) -> None:
    row = read_one(**cells)
    assert row["spans"] == [ANNA, ACME] and row["relations"] == [{"head": 0, "tail": 1, "label": "works for"}]
    assert list(JointShape().read(row, target=True)) == [row], "what it gives, it reads"


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        ({"spans": [ANNA, ACME], "relations": [[0, 2, "x"]]}, "names span 2 of 2"),
        ({"spans": [ANNA, ACME], "relations": [[0, -1, "x"]]}, "names span -1"),
        ({"spans": [ANNA, ACME], "relations": [[0, 0, "x"]]}, "one span at both ends"),
        ({"spans": [ANNA, ACME], "relations": [[0, 1]]}, "no head, tail and label"),
        ({"spans": [ANNA, ACME], "relations": [{"head": 0, "label": "x"}]}, "no head, tail and label"),
        ({"spans": [ANNA, ACME], "relations": [{"head": [0, 2], "tail": 1, "label": "x"}]}, "which is no span"),
        ({"spans": [ANNA, ACME]}, "relations are no list"),
        ({"spans": [ANNA, {**ACME, "start": 2}], "relations": []}, "overlaps another"),
        ({"spans": [{**ANNA, "end": 99}], "relations": []}, "outside the text"),
    ],
)
def test_a_broken_row_is_said(cells: dict[str, Any], problem: str) -> None:
    with pytest.raises(RowProblem, match=problem):
        read_one(**cells)


def test_a_text_is_enough_to_ask() -> None:
    assert read_one(target=False) == {"text": TEXT}


def test_a_file_is_known_by_its_spans_and_relations(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    row = {"sentence": TEXT, "entities": [ANNA, ACME], "relations": [[0, 1, "works for"]]}
    path.write_text("\n".join(json.dumps({**row, "id": i, "sentence": f"{TEXT} {i}"}) for i in range(9)), "utf-8")
    found = guess(read(str(path)))
    assert found.task == "entities-and-relations"
    assert found.columns == {"text": "sentence", "spans": "entities", "relations": "relations"}
    path.write_text("\n".join(json.dumps({"text": f"{TEXT} {i}", "spans": [ANNA]}) for i in range(9)), "utf-8")
    assert guess(read(str(path))).task == "token-classification"
