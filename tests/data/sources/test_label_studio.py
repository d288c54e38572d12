"""Label Studio's JSON export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tunesmith.core.errors import DataError
from tunesmith.data.read import read

TEXT = "💩 Tim leads Apple"


def span(start: int, end: int, text: str, *labels: str, name: str = "a", kind: str = "labels") -> dict[str, Any]:
    value = {"start": start, "end": end, "text": text, kind: list(labels)}
    return {"id": name, "from_name": "label", "to_name": "text", "type": kind, "value": value}


def task(*results: Any, text: str = TEXT, place: str = "annotations", **more: Any) -> dict[str, Any]:
    return {"id": 7, place: [{"id": 1, "result": list(results), **more}], "data": {"text": text, "source": "web"}}


def export(path: Path, *tasks: Any) -> str:
    path.write_text(json.dumps(list(tasks), ensure_ascii=False), "utf-8")
    return str(path)


TIM, APPLE = span(2, 5, "Tim", "PER"), span(12, 17, "Apple", "ORG", name="b")


@pytest.mark.parametrize("place", ["annotations", "completions"])
def test_spans(tmp_path: Path, place: str) -> None:
    rows = read(export(tmp_path / "a.json", task(TIM, APPLE, place=place)))
    assert rows.origin.format == "label-studio"
    assert rows[0]["text"] == TEXT and rows[0]["id"] == 7 and rows[0]["source"] == "web"
    assert rows[0]["spans"] == [
        {"start": 2, "end": 5, "label": "PER", "text": "Tim"}, {"start": 12, "end": 17, "label": "ORG", "text": "Apple"}
    ]  # fmt: skip


def test_utf16_offsets_of_old_versions_are_mended_where_their_text_proves_it(tmp_path: Path) -> None:
    rows = read(export(tmp_path / "a.json", task(span(3, 6, "Tim", "PER"), span(13, 99, "Apple", "ORG"))))
    assert [(s["start"], s["end"]) for s in rows[0]["spans"]] == [(2, 5), (13, 99)]
    assert "1 spans were counted in UTF-16 units and are counted in characters now." in rows.origin.notes


@pytest.mark.parametrize(("direction", "ends"), [("right", (0, 1)), ("left", (1, 0))])
def test_relations(tmp_path: Path, direction: str, ends: tuple[int, int]) -> None:
    relation = {"type": "relation", "from_id": "a", "to_id": "b", "direction": direction, "labels": ["leads"]}
    rows = read(export(tmp_path / "a.json", task(relation, TIM, APPLE)))
    assert rows[0]["relations"] == [{"head": ends[0], "tail": ends[1], "label": "leads"}]


def choice(*labels: str) -> dict[str, Any]:
    return {"id": "c", "from_name": "choice", "to_name": "text", "type": "choices", "value": {"choices": list(labels)}}


def test_choices(tmp_path: Path) -> None:
    one = read(export(tmp_path / "a.json", task(choice("好")), task(choice("差")), task()))
    assert one.columns == ["id", "text", "source", "label"]
    assert [row["label"] for row in one] == ["好", "差", None]
    several = read(export(tmp_path / "b.json", task(choice("好", "差")), task(choice("好"))))
    assert [row["labels"] for row in several] == [["好", "差"], ["好"]]


def test_which_annotation_is_taken(tmp_path: Path) -> None:
    several = {
        "id": 1, "data": {"text": TEXT},
        "annotations": [
            {"result": [], "was_cancelled": True}, {"result": [TIM]}, {"result": [APPLE], "ground_truth": True},
        ],
    }  # fmt: skip
    model = {"id": 2, "data": {"text": TEXT}, "annotations": [], "predictions": [{"result": [{**TIM, "score": 0.5}]}]}
    nobody = {"id": 3, "data": {"text": TEXT}, "annotations": []}
    rows = read(export(tmp_path / "a.json", several, model, nobody))
    assert [s["label"] for s in rows[0]["spans"]] == ["ORG"]
    assert rows[1]["spans"][0]["score"] == 0.5
    assert rows[2]["spans"] is None
    assert rows.origin.notes[1:] == [
        "1 tasks have several annotations; one of each was taken.",
        "1 tasks have only a model's predictions; these were taken.",
    ]


def test_json_lines_and_one_task(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(task(TIM)) for _ in range(3)), "utf-8")
    (tmp_path / "b.json").write_text(json.dumps(task(TIM)), "utf-8")
    assert [len(read(str(tmp_path / name))) for name in ("a.jsonl", "b.json")] == [3, 1]


def test_broken_tasks_are_put_aside(tmp_path: Path) -> None:
    loose = {"type": "relation", "from_id": "a", "to_id": "z", "labels": ["x"]}
    bad = [{"id": 1}, {"data": {"image": 3}, "annotations": []}, task(TIM, loose), "text"]
    rows = read(export(tmp_path / "a.json", *[task(TIM)] * 20, *bad))
    assert len(rows) == 20
    assert [(b.line, b.reason) for b in rows.broken] == [
        (21, "no task with data"), (22, "no text in its data"),
        (23, "the relation 'x' has an end 'z' that is no span here"), (24, "no task with data"),
    ]  # fmt: skip


def test_other_results_are_counted(tmp_path: Path) -> None:
    rows = read(export(tmp_path / "a.json", task(TIM, {"type": "rating", "value": {"rating": 3}})))
    assert rows.origin.notes[1:] == ['1 results of the kind "rating" were left out.']


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps([task(TIM)])[:-5], "utf-8")
    with pytest.raises(DataError, match="is not JSON"):
        read(str(tmp_path / "a.json"))
