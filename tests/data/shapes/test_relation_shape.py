"""Rows of relations, however their entities are spelled; and broken ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tunesmith.core.errors import DataError
from tunesmith.core.recipe import DataBlock
from tunesmith.data.prepare import prepare
from tunesmith.data.read import read
from tunesmith.data.schema import guess
from tunesmith.data.shapes.entity import placed
from tunesmith.data.shapes.relation_extraction import RelationShape
from tunesmith.data.shapes.shape import RowProblem


def read_one(target: bool = True, **cells: Any) -> dict[str, Any]:
    (row,) = RelationShape().read(cells, target=target)
    return row


def names(row: dict[str, Any]) -> tuple[str, str]:
    one, other = (row["text"][row[side]["start"] : row[side]["end"]] for side in ("head", "tail"))
    return one, other


AUTHOR = "The author of a keygen uses a disassembler 😀."


@pytest.mark.parametrize(
    "cells",
    [
        {"text": "The <e1>author</e1> of a keygen uses a <e2>disassembler</e2> 😀."},
        {"text": "The [E1]author[/E1] of a keygen uses a [E2]disassembler[/E2] 😀."},
        {"text": "The <e1> author </e1>of a keygen uses a <e2>disassembler</e2> 😀.", "head": "x", "tail": "y"},
        {"text": AUTHOR, "head": "author", "tail": "disassembler"},
        {"text": AUTHOR, "head": [4, 10], "tail": [30, 42]},
        {"text": AUTHOR, "head": "[4, 10]", "tail": '{"start": 30, "end": 42}'},
        {"text": AUTHOR, "head": {"start": 4, "end": 10, "label": "person"}, "tail": {"start": 30, "end": 42}},
        {"text": AUTHOR, "head": {"name": "author", "pos": [4, 10]}, "tail": {"name": "disassembler", "id": "Q1"}},
    ],
)
def test_all_spellings_are_the_same_row(cells: dict[str, Any]) -> None:
    row = read_one(**cells, label="Instrument-Agency(e2,e1)")
    assert names(row) == ("author", "disassembler") and row["label"] == "Instrument-Agency(e2,e1)"
    assert list(RelationShape().read(row, target=True)) == [row], "what it gives, it reads"


def test_a_kind_of_entity_is_kept() -> None:
    row = read_one(text=AUTHOR, head={"start": 4, "end": 10, "type": "person"}, tail="keygen", label="x")
    assert row["head"] == {"start": 4, "end": 10, "label": "person"} and "label" not in row["tail"]


def test_a_text_with_marks_and_places_is_taken_at_its_word() -> None:
    text = "The tag <e1>a</e1> and <e2>b</e2>"
    row = read_one(text=text, head=[0, 3], tail=[4, 7], label="x")
    assert row["text"] == text and names(row) == ("The", "tag")


def test_a_name_is_taken_where_it_is_apart_from_the_other_one() -> None:
    row = read_one(text="上海东汐是东汐的母公司", head="东汐", tail="上海东汐", label="自己")
    assert names(row) == ("东汐", "上海东汐") and row["head"]["start"] == 5
    nested = read_one(text="上海东汐很大", head="东汐", tail="上海东汐", label="自己")
    assert nested["head"] == {"start": 2, "end": 4} and nested["tail"] == {"start": 0, "end": 4}
    twice = read_one(text="Acme, says Acme", head="Acme", tail="Acme", label="same")
    assert (twice["head"]["start"], twice["tail"]["start"]) == (0, 11)
    assert placed("aaaa" * 30_000, "aa", "aa") == ({"start": 0, "end": 2}, {"start": 2, "end": 4})


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        ({"text": AUTHOR, "head": "poet", "tail": "keygen"}, 'head "poet" is not in the text'),
        ({"text": "作者写了书", "head": "作者", "tail": "电影"}, 'tail "电影" is not in the text'),
        ({"text": AUTHOR, "head": "author", "tail": "author"}, "the same place"),
        ({"text": AUTHOR, "head": [4, 15], "tail": [10, 20]}, "cross"),
        ({"text": AUTHOR, "head": [4, 99], "tail": [10, 20]}, "outside the text of 45 characters"),
        ({"text": AUTHOR, "head": [-2, 3], "tail": [10, 20]}, "outside"),
        ({"text": AUTHOR, "head": [4, 4], "tail": [10, 20]}, "empty"),
        ({"text": AUTHOR, "head": [3, 4], "tail": [10, 20]}, "white space"),
        ({"text": AUTHOR, "head": {"begin": 4}, "tail": [10, 20]}, "neither a place"),
        ({"text": AUTHOR, "head": "author"}, "no tail"),
        ({"text": "The <e1>author</e1> of it"}, "only some of the four marks"),
        ({"text": "<e1>a</e1> <e1>b</e1> <e2>c</e2>"}, "twice"),
        ({"text": "</e1>a<e1> <e2>c</e2>"}, "head"),
        ({"text": "  ", "head": "a", "tail": "b"}, "the text is empty"),
        ({"text": None, "head": "a", "tail": "b"}, "the text is empty"),
    ],
)
def test_a_broken_row_is_said(cells: dict[str, Any], problem: str) -> None:
    with pytest.raises(RowProblem, match=".*".join(problem.split())) as raised:
        read_one(**cells, label="x")
    assert not str(raised.value).endswith(".")


def test_a_label_is_needed_only_to_learn() -> None:
    assert "label" not in read_one(target=False, text=AUTHOR, head="author", tail="keygen")
    with pytest.raises(RowProblem, match="no label"):
        read_one(text=AUTHOR, head="author", tail="keygen", label=" ")


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "utf-8")
    return path


def many(make: Any, count: int = 40) -> list[dict[str, Any]]:
    return [make(i) for i in range(count)]


def test_files_are_known_by_marks_or_by_names(tmp_path: Path) -> None:
    marked = written(
        tmp_path / "a.jsonl",
        many(lambda i: {"id": i, "sentence": f"The <e1>man{i}</e1> has <e2>it{i}</e2>", "relation": "ab"[i % 2]}),
    )
    found = guess(read(str(marked)))
    assert found.task == "relation-extraction" and found.columns == {"text": "sentence", "label": "relation"}
    named = written(
        tmp_path / "b.jsonl",
        many(
            lambda i: {
                "句子": f"公司{i}收购企业{i}了",
                "头实体": f"公司{i}",
                "尾实体": f"企业{i}",
                "关系": "收投"[i % 2],
            }
        ),
    )
    found = guess(read(str(named)))
    assert found.task == "relation-extraction"
    assert found.columns == {"text": "句子", "head": "头实体", "tail": "尾实体", "label": "关系"}


def test_other_files_are_not_taken_for_relations(tmp_path: Path) -> None:
    triples = written(tmp_path / "t.jsonl", many(lambda i: {"head": f"a{i}", "relation": "r", "tail": f"b{i}"}))
    mails = written(
        tmp_path / "m.jsonl",
        many(lambda i: {"subject": f"hello {i}", "text": f"this is mail number {i} to you", "label": "ab"[i % 2]}),
    )
    assert guess(read(str(mails))).task == "text-classification"
    with pytest.raises(DataError, match="No column looks like text"):
        guess(read(str(triples)))


def test_rows_of_one_text_and_other_entities_all_stay(tmp_path: Path) -> None:
    rows = many(
        lambda i: {"text": "Ann met Bob and Cid", "head": ["Ann", "Bob", "Cid"][i % 3], "tail": "met", "label": "x"}
    )
    rows = rows[:3] + many(
        lambda i: {"text": f"Ann{i} met Bob{i}", "head": f"Ann{i}", "tail": f"Bob{i}", "label": "xy"[i % 2]}
    )
    rows.append({"text": "nothing here", "head": "Zoe", "tail": "Max", "label": "x"})
    made = prepare(DataBlock(path=str(written(tmp_path / "r.jsonl", rows))))
    assert made.task == "relation-extraction"
    assert len(made.train) + len(made.validation) + len(made.test) == 43
    assert any('head "Zoe" is not in the text' in note for note in made.notes)
    assert isinstance(made.train[0]["head"], dict)
