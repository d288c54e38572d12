"""SQuAD JSON."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tunesmith.core.errors import DataError
from tunesmith.data.read import read
from tunesmith.data.schema import guess
from tunesmith.data.settle import as_read

CONTEXT = "线路由汉沟镇站引出😀，全长92260米。"


def asked(question: Any, *answers: tuple[str, Any], **more: Any) -> dict[str, Any]:
    given = [{"text": text, "answer_start": start} for text, start in answers]
    return {"id": f"q-{question}", "question": question, "answers": given, **more}


def squad(path: Path, *qas: Any, context: Any = CONTEXT) -> str:
    value = {"version": "v2.0", "data": [{"title": "铁路", "paragraphs": [{"context": context, "qas": list(qas)}]}]}
    text = json.dumps(value, ensure_ascii=False)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return str(path)


@pytest.mark.parametrize("name", ["a.json", "a.json.gz", "a.txt"])
def test_a_row_a_question(tmp_path: Path, name: str) -> None:
    path = squad(tmp_path / name, asked("多长?", ("92260米", 13)), asked("谁?", is_impossible=True))
    rows = read(path)
    assert rows.origin.format == "squad"
    assert "its data are paragraphs with qas" in rows.origin.notes[0]
    assert list(rows) == [
        {
            "id": "q-多长?", "title": "铁路", "context": CONTEXT, "question": "多长?",
            "answers": [{"text": "92260米", "start": 13}], "is_impossible": None,
        },
        {
            "id": "q-谁?", "title": "铁路", "context": CONTEXT, "question": "谁?", "answers": [],
            "is_impossible": True,
        },
    ]  # fmt: skip


def test_questions_that_nobody_answered_have_no_answers(tmp_path: Path) -> None:
    rows = read(squad(tmp_path / "a.json", {"id": "1", "question": "多长?"}))
    assert rows.columns == ["id", "title", "context", "question"]


def test_broken_questions_are_put_aside(tmp_path: Path) -> None:
    good = [asked(f"问题{i}?", ("汉沟镇", 3)) for i in range(12)]
    rows = read(squad(tmp_path / "a.json", *good, {"id": "x"}, "no object"))
    assert len(rows) == 12
    assert [(b.line, b.reason, b.text) for b in rows.broken] == [
        (13, "context and question are not both text", '{"id": "x"}'),
        (14, "a str, not an object", '"no object"'),
    ]


def test_the_shape_reports_answers_that_are_not_there(tmp_path: Path) -> None:
    good = [asked(f"问题{i}?", ("汉沟镇", 3)) for i in range(5)]
    rows = read(squad(tmp_path / "a.json", *good, asked("错?", ("北京", 3)), asked("偏?", ("92260米", 2))))
    notes: list[str] = []
    found = guess(rows)
    made, columns = as_read(rows, found.task, found.columns, notes)
    assert found.task == "extractive-qa" and len(made) == 6
    assert made.broken[0].reason.startswith('answer not in its context: "北京"')
    assert "1 answers moved" in notes[0]


@pytest.mark.parametrize(
    "text", ['{"data": 1, "paragraphs": [], "context": 1}', '{"data": [{"paragraphs": [{"context"']
)
def test_what_is_no_squad_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text, "utf-8")
    with pytest.raises(DataError) as caught:
        read(str(tmp_path / "a.json"))
    assert caught.value.hint


def test_articles_without_paragraphs_are_broken(tmp_path: Path) -> None:
    value = {"data": [{"title": "a", "paragraphs": [{"context": "x y", "qas": [asked("x?", ("x", 0))]}]}] * 9 + [{}]}
    (tmp_path / "a.json").write_text(json.dumps(value), "utf-8")
    rows = read(str(tmp_path / "a.json"))
    assert (len(rows), [b.reason for b in rows.broken]) == (9, ["no list of paragraphs or qas, or no context"])
