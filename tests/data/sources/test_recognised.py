"""What a user hands over is known by its content: the task is guessed, and the reason is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tunesmith.core.errors import DataError
from tunesmith.data.locate import locate
from tunesmith.data.read import read
from tunesmith.data.schema import guess
from tunesmith.data.settle import as_read

CONLL = "我 O\n在 O\n北 B-LOC\n京 I-LOC\n\nEU B-ORG\nrejects O\n"
TEXT = "我在北京"
SPAN = {"type": "labels", "value": {"start": 2, "end": 4, "text": "北京", "labels": ["LOC"]}}
FILES = {
    "conll": CONLL,
    "squad": json.dumps({"data": [{"paragraphs": [{"context": "我在北京", "qas": [
        {"id": "1", "question": "在哪？", "answers": [{"text": "北京", "answer_start": 2}]}]}]}]}),
    "doccano": json.dumps({"id": 1, "text": "我在北京", "label": [[2, 4, "LOC"]]}) + "\n",
    "label-studio": json.dumps([{"id": 1, "annotations": [{"result": [SPAN]}], "data": {"text": TEXT}}], indent=1),
}  # fmt: skip
TASKS = {"squad": "extractive-qa"}


@pytest.mark.parametrize("suffix", [".txt", ".json", ".jsonl", ".dat", ".csv"])
@pytest.mark.parametrize("form", FILES)
def test_whatever_it_is_called(form: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"data{suffix}"
    path.write_text(FILES[form], "utf-8")
    rows = read(str(path))
    assert rows.origin.format == form
    assert f"{path} is read as {form}: " in rows.origin.notes[0]
    found = guess(rows)
    assert found.task == TASKS.get(form, "token-classification")
    made, _ = as_read(rows, found.task, found.columns)
    assert len(made) == len(rows) and not made.broken


def test_a_folder_of_files_of_one_format(tmp_path: Path) -> None:
    for name in ("train-1.txt", "train-2.txt", "dev.txt"):
        (tmp_path / name).write_text(CONLL, "utf-8")
    found = locate(str(tmp_path))
    assert (found.format, [Path(f).name for f in found.files]) == ("conll", ["train-1.txt", "train-2.txt"])
    assert len(found.notes) == 2


def test_files_of_several_formats_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(CONLL, "utf-8")
    (tmp_path / "b.json").write_text(FILES["squad"], "utf-8")
    with pytest.raises(DataError, match="several formats") as caught:
        locate(str(tmp_path))
    assert "a.txt (conll)" in caught.value.problem and "b.json (squad)" in caught.value.problem


def test_mappings_whose_keys_are_data_stay_what_they_are(tmp_path: Path) -> None:
    """Labels of CLUENER: each name in the set would otherwise become a field of each row."""
    rows = [{"text": f"在{name}", "label": {"LOC": {name: [[1, 2]]}}} for name in ("北京", "南京", "东京")]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    read_rows = read(str(tmp_path / "a.jsonl"))
    assert [json.loads(row["label"]) for row in read_rows] == [row["label"] for row in rows]
    found = guess(read_rows)
    made, _ = as_read(read_rows, found.task, found.columns)
    assert found.task == "token-classification" and len(made) == 3
