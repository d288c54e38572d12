"""CoNLL columns."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tunesmith.core.errors import DataError
from tunesmith.data.read import read

NEWS = "EU B-ORG\nrejects O\nGerman B-MISC\n\nPeter B-PER\nBlackburn I-PER\n"
ROWS = [
    {"tokens": ["EU", "rejects", "German"], "tags": ["B-ORG", "O", "B-MISC"]},
    {"tokens": ["Peter", "Blackburn"], "tags": ["B-PER", "I-PER"]},
]
RESUME = "吴\tB-NAME\n重\tM-NAME\n阳\tE-NAME\n，\tO\n男\tO\n\n\n中\tB-CONT\n国\tE-CONT\n\n"


def written(path: Path, text: str, encoding: str = "utf-8") -> str:
    path.write_bytes(text.encode(encoding))
    return str(path)


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("delimiter", [" ", "\t", "   "])
def test_two_columns(tmp_path: Path, delimiter: str, ends: str) -> None:
    rows = read(written(tmp_path / "a.conll", NEWS.replace(" ", delimiter).replace("\n", ends)))
    assert list(rows) == ROWS
    assert rows.origin.format == "conll" and rows.origin.notes == [] and not rows.broken


@pytest.mark.parametrize("name", ["a.txt", "a.tsv", "a", "a.data", "a.csv", "a.bio", "a.conllu.bak"])
def test_known_by_its_content(tmp_path: Path, name: str) -> None:
    rows = read(written(tmp_path / name, NEWS))
    assert list(rows) == ROWS
    assert name == "a.bio" or f"{name} is read as conll: each line is a token and a tag" in rows.origin.notes[0]


def test_prose_tables_and_short_labels_are_not_taken_for_it(tmp_path: Path) -> None:
    prose = "It was good O\nNever again B\n\nWe loved O\n"
    table = "text\tlabel\nfine\tO\nbad\tX\n"
    assert read(written(tmp_path / "a.txt", prose)).origin.format == "lines"
    assert read(written(tmp_path / "a.tsv", table)).origin.format == "csv"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
@pytest.mark.parametrize("packed", [False, True])
def test_chinese_in_any_encoding(tmp_path: Path, encoding: str, packed: bool) -> None:
    data = (RESUME * 5).encode(encoding)
    path = tmp_path / ("a.txt.gz" if packed else "a.txt")
    path.write_bytes(gzip.compress(data) if packed else data)
    rows = read(str(path))
    assert rows[0] == {"tokens": list("吴重阳，男"), "tags": ["B-NAME", "M-NAME", "E-NAME", "O", "O"]}
    assert len(rows) == 10


def test_the_tag_is_the_last_of_many_columns(tmp_path: Path) -> None:
    start = "-DOCSTART- -X- -X- O\n\n"
    text = f"{start}EU NNP B-NP B-ORG\nrejects VBZ B-VP O\n\n{start}Peter NNP B-NP B-PER\n"
    rows = read(written(tmp_path / "eng.train", text))
    assert list(rows) == [
        {"tokens": ["EU", "rejects"], "column_2": ["NNP", "VBZ"], "column_3": ["B-NP", "B-VP"], "tags": ["B-ORG", "O"]},
        {"tokens": ["Peter"], "column_2": ["NNP"], "column_3": ["B-NP"], "tags": ["B-PER"]},
    ]


def test_comments_go_and_hash_tokens_stay(tmp_path: Path) -> None:
    text = "# id = 1\n# text = a b\n# O\n#nlp B-TAG\nis O\n# I-TAG\n\n# next\n#\tO\n".replace("#\tO", "# O")
    rows = read(written(tmp_path / "a.conll", text))
    assert [row["tokens"] for row in rows] == [["#", "#nlp", "is", "#"], ["#"]]


def test_blank_and_wide_blank_tokens(tmp_path: Path) -> None:
    rows = read(written(tmp_path / "a.conll", "北 B-LOC\n  O\n▁ O\n\u3000 O\n京 O\n"))
    assert rows[0]["tokens"] == ["北", " ", " ", "\u3000", "京"]


def test_a_line_of_another_width_puts_its_sentence_aside(tmp_path: Path) -> None:
    path = written(tmp_path / "a.conll", (NEWS + "\n") * 5 + "A O\nB O B-PER\nC O\n\n" + NEWS)
    rows = read(path)
    assert len(rows) == 12
    broken = rows.broken[0]
    assert (broken.file, broken.line, broken.text) == (path, 37, "B O B-PER")
    assert broken.reason == "3 columns instead of 2; its sentence is left out"


def test_a_header_is_told_and_left_out(tmp_path: Path) -> None:
    rows = read(written(tmp_path / "a.conll", "token\ttag\n" + NEWS.replace(" ", "\t")))
    assert list(rows) == ROWS
    assert "names the columns" in rows.origin.notes[0]


def test_tokens_alone_are_rows_without_tags(tmp_path: Path) -> None:
    assert list(read(written(tmp_path / "a.conll", "a\nb\n\nc\n"))) == [{"tokens": ["a", "b"]}, {"tokens": ["c"]}]


def test_bytes_that_do_not_decode(tmp_path: Path) -> None:
    path = tmp_path / "a.conll"
    path.write_bytes((NEWS + "\n好 O\n的 O\n\n").encode() + b"\xff\xfe\xfd O\n\n" + "好 O\n\n".encode() * 9)
    rows = read(str(path))
    assert [b.reason for b in rows.broken] == ["bytes that are not utf-8"]


def test_a_file_that_is_something_else_is_refused(tmp_path: Path) -> None:
    prose = "\n\n".join(" ".join(["word"] * (i % 7 + 1)) for i in range(40))
    with pytest.raises(DataError, match="columns instead of") as caught:
        read(written(tmp_path / "a.conll", prose))
    assert caught.value.hint
