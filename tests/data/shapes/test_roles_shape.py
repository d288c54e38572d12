"""Rows of semantic roles, however words, predicates and roles are spelled; and broken ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tunesmith.data.read import read
from tunesmith.data.schema import guess
from tunesmith.data.shapes.semantic_roles import RolesShape
from tunesmith.data.shapes.shape import RowProblem

WORDS = ["Anna", "quickly", "buys", "red", "apples"]
TEXT = "Anna quickly buys red apples"
HEADS = ["A0", "AM-MNR", "V", "O", "A1"]
SPANS = ["B-A0", "B-AM-MNR", "B-V", "B-A1", "I-A1"]
PLACES = [[0, 4], [5, 12], [13, 17], [18, 21], [22, 28]]


def read_one(target: bool = True, **cells: Any) -> dict[str, Any]:
    (row,) = RolesShape().read(cells, target=target)
    return row


def roles(row: dict[str, Any]) -> list[tuple[str, str]]:
    return [(role["label"], row["text"][role["start"] : role["end"]]) for role in row["roles"]]


@pytest.mark.parametrize(
    "cells",
    [
        {"words": WORDS, "predicate_index": 2, "predicate": "buy.01"},
        {"words": json.dumps(WORDS), "predicate_index": "2", "predicate": "buy.01"},
        {"tokens": WORDS, "predicate": {"start": 13, "end": 17, "label": "buy.01"}},
        {"text": TEXT, "words": PLACES, "predicate": '{"start": 13, "end": 17, "label": "buy.01"}'},
        {"text": TEXT, "predicate_index": [2], "predicate": "buy.01"},
    ],
)
def test_all_spellings_are_the_same_row(cells: dict[str, Any]) -> None:
    row = read_one(**cells, tags=HEADS)
    assert row["text"] == TEXT and row["words"] == PLACES
    assert row["predicate"] == {"start": 13, "end": 17, "label": "buy.01"}
    assert roles(row) == [("A0", "Anna"), ("AM-MNR", "quickly"), ("A1", "apples")]
    assert list(RolesShape().read(row, target=True)) == [row], "what it gives, it reads"


def test_tags_by_spans() -> None:
    row = read_one(words=WORDS, tags=SPANS)
    assert roles(row)[-1] == ("A1", "red apples") and row["predicate"] == {"start": 13, "end": 17}


def test_the_predicate_may_be_an_index_or_a_word() -> None:
    for predicate in (2, "buys", [13, 17]):
        assert read_one(target=False, words=WORDS, predicate=predicate)["predicate"] == {"start": 13, "end": 17}
    chinese = read_one(target=False, text="小王今天买红苹果", predicate="买")
    assert chinese["predicate"] == {"start": 4, "end": 5} and chinese["words"][4] == [4, 5]


def test_words_are_found_in_the_text_that_they_are_of() -> None:
    row = read_one(text="Anna  quickly\nbuys red apples.", words=WORDS, predicate_index=2, tags=HEADS)
    assert row["words"][2] == [14, 18] and roles(row)[2] == ("A1", "apples")


def test_equal_heads_beside_each_other_are_two_roles() -> None:
    row = read_one(words=WORDS, predicate_index=2, tags=["O", "O", "V", "A1", "A1"])
    assert roles(row) == [("A1", "red"), ("A1", "apples")]


def test_empty_tags_are_no_roles() -> None:
    assert roles(read_one(words=WORDS, predicate_index=0, tags=["", "_", None, "O", "*"])) == []


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        ({"words": WORDS, "tags": HEADS[:-1]}, "5 tokens and 4 tags"),
        ({"words": WORDS, "predicate_index": 5, "tags": HEADS}, "index is 5 of 5 words"),
        ({"words": WORDS, "predicate_index": -1, "tags": HEADS}, "index is -1"),
        ({"words": WORDS, "predicate_index": "x", "tags": HEADS}, 'index is "x"'),
        ({"words": WORDS, "tags": ["A0", "O", "O", "O", "O"]}, "no predicate is given"),
        ({"words": WORDS, "predicate": "sells", "roles": []}, '"sells" is no word of the text'),
        ({"words": WORDS, "predicate": "buy", "roles": []}, '"buy" is no word'),
        ({"words": WORDS, "predicate": {"start": 13, "end": 99}, "roles": []}, "outside the text"),
        ({"words": WORDS, "predicate_index": 2}, "neither roles nor tags"),
        ({"words": WORDS, "predicate_index": 2, "roles": [[0, 99, "A0"]]}, "outside the text"),
        ({"words": WORDS, "predicate_index": 2, "roles": [[0, 2, "A0"]]}, "cuts through a word"),
        ({"words": WORDS, "predicate_index": 2, "roles": [[0, 12, "A0"], [5, 17, "A1"]]}, "overlaps another"),
        ({"text": TEXT, "words": [[0, 4], [2, 6]], "predicate": 0, "tags": ["O", "O"]}, "does not fit the text"),
        ({"text": TEXT, "words": ["Anna", "sells"], "predicate": 0, "tags": ["O", "O"]}, '"sells" is not where'),
        ({"predicate": "buys"}, "neither a text nor words"),
        ({"text": " ", "predicate": "buys"}, "neither a text nor words"),
    ],
)
def test_a_broken_row_is_said(cells: dict[str, Any], problem: str) -> None:
    with pytest.raises(RowProblem, match=problem) as raised:
        read_one(**cells)
    assert not str(raised.value).endswith(".")


def test_a_text_alone_has_no_predicate() -> None:
    with pytest.raises(RowProblem, match="no predicate is given"):
        read_one(target=False, text=TEXT)


def test_a_file_is_known_by_words_tags_and_the_predicate(tmp_path: Path) -> None:
    lines = [
        {"words": [*WORDS, str(i)], "predicate_index": 2, "predicate": "buy.01", "labels": [*HEADS, "O"]}
        for i in range(9)
    ]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)), "utf-8")
    found = guess(read(str(path)))
    assert found.task == "semantic-roles"
    wanted = {"words": "words", "predicate_index": "predicate_index", "predicate": "predicate", "tags": "labels"}
    assert found.columns == wanted
    path.write_text("\n".join(json.dumps({"tokens": line["words"], "tags": [*SPANS, "O"]}) for line in lines), "utf-8")
    assert guess(read(str(path))).columns == {"words": "tokens", "tags": "tags"}
    entities = [{"tokens": line["words"], "tags": ["B-PER", *"OOOOO"]} for line in lines]
    path.write_text("\n".join(map(json.dumps, entities)), "utf-8")
    assert guess(read(str(path))).task != "semantic-roles"


def test_rows_as_given_back_are_known(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    rows = [read_one(words=[*WORDS, str(i)], predicate_index=2, tags=[*HEADS, "O"]) for i in range(9)]
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    assert guess(read(str(path))).task == "semantic-roles"
