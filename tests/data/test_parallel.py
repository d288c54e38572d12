"""Parallel text files, in and out."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunesmith.core.errors import DataError
from tunesmith.core.recipe import DataBlock
from tunesmith.data.convert import annotated, by_role, convert
from tunesmith.data.formats import FORMATS
from tunesmith.data.formats.format import Writing
from tunesmith.data.prepare import prepare
from tunesmith.data.read import read

EN = ["The dog is on the beach.", 'It\'s "good", and not\ttoo long.', "We are here and they are there."]
DE = ["Der Hund ist am Strand.", "Das ist „gut“ und nicht zu lang.", "Wir sind hier und sie sind dort."]
ZH = ["狗在海滩上。", "这很“好”，而且不太长。", "我们在这里，他们在那里。"]


def files(folder: Path, **lines: list[str]) -> Path:
    for name, some in lines.items():
        (folder / name.replace("__", ".")).write_text("\n".join(some) + "\n", "utf-8")
    return folder


def test_lines_belong_together(tmp_path: Path) -> None:
    files(tmp_path, train__en=EN, train__zh=ZH, other__de=DE)
    rows = read(str(tmp_path / "train.zh"))
    assert rows.columns == ["zh", "en"] and rows.origin.format == "parallel"
    assert list(rows) == [{"zh": zh, "en": en} for zh, en in zip(ZH, EN, strict=True)]
    assert any("train.zh, train.en are read together" in note for note in rows.origin.notes)


def test_a_folder_is_read_from_english_unless_its_name_says_otherwise(tmp_path: Path) -> None:
    files(tmp_path, train__en=EN, train__de=DE, test__en=EN, test__de=DE)
    assert read(str(tmp_path)).columns == ["en", "de"], "and the test files are left out"
    (tmp_path / "b").mkdir()
    files(tmp_path / "b", **{"all__de-en__en": EN, "all__de-en__de": DE})
    assert read(str(tmp_path / "b")).columns == ["de", "en"]


def test_packed_files_and_files_that_end_with_txt(tmp_path: Path) -> None:
    for name, lines in (("a.en.gz", EN), ("a.de.gz", DE)):
        with gzip.open(tmp_path / name, "wt", encoding="utf-8") as file:
            file.write("\n".join(lines))
    assert len(read(str(tmp_path / "a.en.gz"))) == 3
    files(tmp_path, b__en__txt=EN, b__zh__txt=ZH)
    rows = read(str(tmp_path / "b.en.txt"))
    assert rows.columns == ["en", "zh"] and any("stands beside it" in note for note in rows.origin.notes)


def test_a_file_alone_is_a_column(tmp_path: Path) -> None:
    files(tmp_path, new__en=EN)
    assert list(read(str(tmp_path / "new.en"))) == [{"en": text} for text in EN]


def test_files_of_other_lengths_are_refused(tmp_path: Path) -> None:
    files(tmp_path, train__en=EN, train__de=DE[:2])
    with pytest.raises(DataError, match=r"same number of lines: .*train\.en 3, .*train\.de 2"):
        read(str(tmp_path / "train.en"))


def test_blank_lines(tmp_path: Path) -> None:
    files(tmp_path, a__en=[EN[0], "", EN[1], EN[2]], a__de=[DE[0], "", "", DE[2]])
    rows = read(str(tmp_path / "a.en"))
    assert len(rows) == 3
    assert any("1 lines are blank in every file" in note for note in rows.origin.notes)
    notes: list[str] = []
    _, found, _ = annotated(DataBlock(path=str(tmp_path / "a.en")), "auto", notes)
    assert len(found) == 2 and found.broken[0].reason.startswith("the target is empty")


def test_it_is_guessed_as_a_translation(tmp_path: Path) -> None:
    many = {code: [f"{text} {i}" for i in range(20) for text in texts] for code, texts in (("en", EN), ("zh", ZH))}
    files(tmp_path, train__en=many["en"], train__zh=many["zh"])
    block = DataBlock.model_validate({"path": str(tmp_path / "train.en"), "split": {"near_duplicates": False}})
    prepared = prepare(block)
    assert (prepared.task, prepared.columns) == ("translation", {"text": "en", "target": "zh"})


def pairs_of(path: Path) -> list[dict[str, Any]]:
    _, rows, columns = annotated(DataBlock(path=str(path)), "auto", [])
    return [{role: row[role] for role in ("text", "target")} for row in by_role(rows, columns)]


@pytest.mark.parametrize(("texts", "targets"), [(EN, DE), (DE, EN), (EN, ZH), (ZH, EN), (ZH, DE)])
def test_round_trip_keeps_the_direction(texts: list[str], targets: list[str], tmp_path: Path) -> None:
    rows = [{"text": one, "target": other} for one, other in zip(texts, targets, strict=True)]
    (tmp_path / "there").mkdir()
    FORMATS.make("parallel").write(rows, tmp_path / "there", Writing())
    assert pairs_of(tmp_path / "there") == rows


LINES = st.text(st.sampled_from("ab 9.好😀\u2028\"'\\,|"), min_size=1, max_size=12).map(str.strip).filter(bool)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(LINES, LINES), min_size=1, max_size=4))
def test_any_lines(tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]]) -> None:
    folder = tmp_path_factory.mktemp("any")
    rows = [{"text": one, "target": other} for one, other in pairs]
    FORMATS.make("parallel", {"source_language": "en", "target_language": "zh"}).write(rows, folder, Writing())
    found = [{"text": row["en"], "target": row["zh"]} for row in read(str(folder))]
    assert found == rows


def test_what_it_does_not_hold_is_counted(tmp_path: Path) -> None:
    writing = Writing()
    rows = [{"text": f"{EN[0]}\n{EN[1]}", "target": DE[0], "references": [DE[0], DE[1], DE[2]]}]
    FORMATS.make("parallel").write(rows, tmp_path, writing)
    assert dict(+writing.left) == {"line breaks became blanks": 1, "further references are not held by parallel": 2}
    assert len(read(str(tmp_path))) == 1


def test_one_language_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="two languages; the texts are seen as en and the targets as en"):
        FORMATS.make("parallel").write([{"text": EN[0], "target": EN[2]}], tmp_path, Writing())


def test_converted_and_written_over(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("en\tde\n" + "".join(f"{a}\t{b}\n" for a, b in zip(EN[::2], DE[::2], strict=True)))
    for replace in (False, True):
        done = convert(DataBlock(path=str(tmp_path / "a.tsv")), tmp_path / "out", "parallel", replace=replace)
        assert (done.task, done.entries) == ("translation", 2)
    (tmp_path / "out" / "mine.doc").write_text("x", "utf-8")
    with pytest.raises(DataError, match=r"mine\.doc"):
        convert(DataBlock(path=str(tmp_path / "a.tsv")), tmp_path / "out", "parallel", replace=True)
