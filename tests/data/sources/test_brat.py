"""brat's standoff folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from tunesmith.core.errors import DataError
from tunesmith.data.read import read

TEXT = "马云创立\n阿里巴巴😀。"
ANN = "T1\t人 0 2\t马云\nT2\t公司 5 9\t阿里巴巴\nR1\t创始人 Arg1:T2 Arg2:T1\t\n"


def folder(place: Path, **documents: tuple[str | None, str]) -> str:
    place.mkdir()
    for name, (text, standoff) in documents.items():
        if text is not None:
            (place / f"{name}.txt").write_bytes(text.encode())
        (place / f"{name}.ann").write_bytes(standoff.encode())
    (place / "annotation.conf").write_text("[entities]\n", "utf-8")
    return str(place)


def test_a_row_a_document(tmp_path: Path) -> None:
    place = folder(tmp_path / "docs", a=(TEXT, ANN), b=("nothing here", ""))
    for path in (place, f"{place}/*.ann", f"{place}/*.txt"):
        rows = read(path)
        assert rows.origin.format == "brat" and len(rows) == 2
        assert rows[0] == {
            "document": "a", "text": TEXT, "relations": [{"head": 1, "tail": 0, "label": "创始人"}],
            "spans": [
                {"start": 0, "end": 2, "label": "人", "text": "马云"},
                {"start": 5, "end": 9, "label": "公司", "text": "阿里巴巴"},
            ],
        }  # fmt: skip
        assert rows[1]["spans"] == []
    assert len(read(f"{place}/a.txt")) == len(read(f"{place}/a.ann")) == 1


def test_a_line_break_inside_a_span_is_a_blank_in_its_line(tmp_path: Path) -> None:
    rows = read(folder(tmp_path / "docs", a=("New\r\nYork", "T1\tLOC 0 9\tNew  York\n")))
    assert rows[0]["spans"] == [{"start": 0, "end": 9, "label": "LOC", "text": "New\r\nYork"}]


def test_offsets_that_a_browser_counted(tmp_path: Path) -> None:
    rows = read(folder(tmp_path / "docs", a=("😂 Shane in boro", "T1\tPER 3 8\tShane\n")))
    assert (rows[0]["spans"][0]["start"], rows[0]["spans"][0]["end"]) == (2, 7)
    assert "1 spans were counted in UTF-16 units and are counted in characters now." in rows.origin.notes


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("T2\tPER 0 2;4 6\tab ef", "a span of several pieces, which no task reads"),
        ("T2\tPER 0\tab", "a span of several pieces, which no task reads"),
        ("T2 PER 0 2 ab", "no span such as T1<tab>PER 0 5<tab>Obama"),
        ("R1\tknows Arg1:T1 Arg2:T9", "the relation 'knows' has an end 'T9' that is no span here"),
        ("R1\tknows T1 T2", "no relation such as R1<tab>works_for Arg1:T1 Arg2:T2"),
        ("hello", "no annotation of brat's"),
    ],
)
def test_what_cannot_be_read_puts_its_document_aside(tmp_path: Path, line: str, reason: str) -> None:
    good = {f"good{i}": ("abcdef", "T1\tPER 0 2\tab\n") for i in range(9)}
    rows = read(folder(tmp_path / "docs", bad=("abcdef", f"T1\tPER 0 2\tab\n{line}\n"), **good))
    assert len(rows) == 9
    assert [(Path(b.file).name, b.line, b.reason, b.text) for b in rows.broken] == [("bad.ann", 2, reason, line)]


def test_other_annotations_are_counted(tmp_path: Path) -> None:
    others = "T1\tPER 0 2\tab\nA1\tNegation T1\n#1\tAnnotatorNotes T1\tsure?\nE1\tMeet:T1\n*\tEquiv T1 T1\n"
    rows = read(folder(tmp_path / "docs", a=("abcdef", others), b=("abcdef", others)))
    assert {"2 attributes were left out.", "2 notes were left out.", "2 events were left out."} <= set(
        rows.origin.notes
    )


def test_an_annotation_without_its_text(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="its text a.txt is not there"):
        read(folder(tmp_path / "docs", a=(None, ANN)))
