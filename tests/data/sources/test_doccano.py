"""doccano's JSON lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tunesmith.data.read import read
from tunesmith.data.sources.doccano import Doccano
from tunesmith.data.sources.source import Reading

RELATED = {
    "id": 9, "text": "马云创立阿里巴巴", "Comments": [],
    "entities": [
        {"id": 40, "label": "人", "start_offset": 0, "end_offset": 2},
        {"id": 41, "label": "公司", "start_offset": 4, "end_offset": 8},
    ],
    "relations": [{"id": 1, "from_id": 41, "to_id": 40, "type": "创始人"}],
}  # fmt: skip


def lines(path: Path, *entries: Any) -> str:
    path.write_text("".join((e if isinstance(e, str) else json.dumps(e, ensure_ascii=False)) + "\n" for e in entries))
    return str(path)


def test_spans(tmp_path: Path) -> None:
    rows = read(lines(tmp_path / "a.jsonl", {"id": 1, "text": "我在北京", "label": [[2, 4, "地点"]], "url": "x"},
                      {"id": 2, "text": "EU", "label": []}))  # fmt: skip
    assert list(rows) == [
        {"id": 1, "text": "我在北京", "url": "x", "spans": [{"start": 2, "end": 4, "label": "地点"}]},
        {"id": 2, "text": "EU", "url": None, "spans": []},
    ]
    assert "is read as doccano: its labels are [start, end, label]" in rows.origin.notes[0]


def test_relations_point_at_spans(tmp_path: Path) -> None:
    rows = read(lines(tmp_path / "a.jsonl", RELATED))
    assert rows[0]["spans"][1] == {"start": 4, "end": 8, "label": "公司"}
    assert rows[0]["relations"] == [{"head": 1, "tail": 0, "label": "创始人"}]


def test_labels_of_texts(tmp_path: Path) -> None:
    one = [{"id": 1, "text": "good", "label": ["pos"]}, {"id": 2, "text": "hm", "label": []}]
    assert [row["label"] for row in read(lines(tmp_path / "a.jsonl", *one))] == ["pos", None]
    several = [*one, {"id": 3, "text": "odd", "label": ["pos", "neg"]}]
    assert [row["labels"] for row in read(lines(tmp_path / "b.jsonl", *several))] == [["pos"], [], ["pos", "neg"]]


def test_other_json_lines_are_left_alone(tmp_path: Path) -> None:
    others = [
        {"text": "a", "label": ["x", "y"]}, {"text": "a", "label": "x"}, {"tokens": ["a"], "label": [[0, 1, "X"]]},
        {"text": "a", "label": {"X": {"a": [[0, 0]]}}}, {"id": 1, "text": "a", "label": ["x"], "stars": 3},
    ]  # fmt: skip
    for number, other in enumerate(others):
        assert read(lines(tmp_path / f"{number}.jsonl", other)).origin.format == "jsonl", other


def test_broken_lines_are_put_aside(tmp_path: Path) -> None:
    good = [{"id": i, "text": "我在北京", "label": [[2, 4, "地点"]]} for i in range(20)]
    bad = [
        '{"text": "a", "label": [[0,',
        {"id": 1, "label": []},
        {"text": "a", "label": "x"},
        {"text": "a", "label": [[1]]},
    ]
    loose = {**RELATED, "relations": [{"from_id": 40, "to_id": 99, "type": "x"}]}
    rows = read(lines(tmp_path / "a.jsonl", *good, *bad[:1], *bad[1:], loose))
    assert len(rows) == 20
    assert [b.line for b in rows.broken] == [21, 22, 23, 24, 25]
    assert [b.reason.partition(":")[0] for b in rows.broken] == [
        "not JSON", "no text", "label is a str, not a list", "[1] is not [start, end, label]",
        "the relation 'x' has an end 99 that is no span here",
    ]  # fmt: skip


def test_raw_offsets_are_handed_over(tmp_path: Path) -> None:
    rows = read(lines(tmp_path / "a.jsonl", {"id": 1, "text": "abc", "label": [[2, 99, "X"], [2, 1, "Y"]]}))
    assert [(s["start"], s["end"]) for s in rows[0]["spans"]] == [(2, 99), (2, 1)]


def test_offsets_in_utf16_units(tmp_path: Path) -> None:
    told = {"id": 1, "text": "😀 ok 👩‍🚒好", "label": [[3, 5, "X"]]}
    assert "counts as two" in " ".join(read(lines(tmp_path / "b.jsonl", told)).origin.notes)
    path = lines(tmp_path / "a.jsonl", told, {**told, "label": [[3, 5, "X"], [11, 12, "Y"]]})
    rows = read(path)
    assert "in UTF-16 units" in " ".join(rows.origin.notes) and "counts as two" not in " ".join(rows.origin.notes)
    assert [(s["start"], s["end"]) for s in rows[0]["spans"]] == [(2, 4)], "all rows of the file are read alike"
    slip = [told] * 30 + [{**told, "label": [[11, 12, "Y"]]}]
    one = read(lines(tmp_path / "c.jsonl", *slip))
    assert one[0]["spans"][0]["end"] == 5, "one place behind its text is a slip, and moves no other"
    batch = next(iter(Doccano(offsets="utf-16").batches(path, Reading()))).slice(1)
    text = batch.column("text")[0].as_py()
    assert [text[s["start"] : s["end"]] for s in batch.column("spans")[0].as_py()] == ["ok", "好"]
