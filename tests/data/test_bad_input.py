"""Bad files: two clear lines, and no row lost in silence."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from tunesmith.core.errors import DataError
from tunesmith.data.clean import clean, write_broken
from tunesmith.data.read import read
from tunesmith.data.roles import table_of_roles
from tunesmith.data.schema import guess
from tunesmith.data.split import split


def refused(path: Path | str, *words: str) -> DataError:
    with pytest.raises(DataError) as caught:
        read(str(path))
    lines = str(caught.value).splitlines()
    assert len(lines) == 2, lines
    for word in words:
        assert word in lines[0] + lines[1], (word, lines)
    return caught.value


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.json", "a.txt", "a.tsv"])
@pytest.mark.parametrize("data", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_empty_file(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    refused(tmp_path / name, name, "is empty")


def test_empty_gzip(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b""))
    refused(tmp_path / "a.csv.gz", "is empty")


def test_header_only(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\n", "utf-8")
    refused(tmp_path / "a.csv", "header (text, label)", "no rows")


def test_missing_file_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "reviews.csv").write_text("text,label\na,b\n", "utf-8")
    refused(tmp_path / "review.csv", "no file", "reviews.csv")
    refused(tmp_path / "nowhere" / "a.csv", "no file", "does not exist either")


def test_folder_without_data(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("nothing", "utf-8")
    refused(tmp_path, "holds no data file")
    refused(tmp_path / "*.csv", "No file matches")


@pytest.mark.parametrize("data", [os.urandom(5000), b"\x89PNG\r\n\x1a\n" + bytes(range(256)), b"%PDF-1.7 abc\n1 0 obj"])
def test_binary_file_named_csv(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.csv").write_bytes(data)
    refused(tmp_path / "a.csv", "a.csv is a", "not text")


def test_truncated_gzip_and_parquet(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"text,label\n" + b"hello,x\n" * 9999)[:50])
    refused(tmp_path / "a.csv.gz", "cannot be read")
    (tmp_path / "b.parquet").write_bytes(b"PAR1 and nothing more")
    refused(tmp_path / "b.parquet", "not a whole Parquet file")


@pytest.mark.parametrize("start", [b'"', b""])
def test_a_row_of_fifty_megabytes(tmp_path: Path, start: bytes) -> None:
    with (tmp_path / "a.csv").open("wb") as file:
        file.write(b"text,label\nfine,pos\n" + start)
        for _ in range(50):
            file.write(b"never closed " * (2**20 // 13))
    refused(tmp_path / "a.csv", "line 3", "longer than", "quote is never closed")


def test_a_json_line_too_long(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "ok"}\n{"text": "' + "x" * 17_000_000 + '"}\n', "utf-8")
    refused(tmp_path / "a.jsonl", "line 2", "longer than")


@pytest.mark.parametrize("gbk", [False, True])
def test_one_percent_unparseable_rows_are_kept_aside(tmp_path: Path, gbk: bool) -> None:
    lines = [f"第{i}条评论很好,{'好' if i % 2 else '坏'}" for i in range(1000)]
    lines[::100] = [f"坏行,{i},太多,单元" for i in range(10)]
    (tmp_path / "a.csv").write_bytes("\n".join(["text,label", *lines]).encode("gbk" if gbk else "utf-8"))
    rows = read(str(tmp_path / "a.csv"))
    assert (len(rows), len(rows.broken)) == (990, 10)
    assert rows.broken[1].line == 102
    assert rows.broken[1].text == "坏行,1,太多,单元"
    assert rows.broken[1].reason == "4 cells instead of 2"
    assert write_broken(rows, tmp_path / "broken.csv") == 10
    assert "坏行,1,太多,单元" in (tmp_path / "broken.csv").read_text("utf-8")


def test_broken_json_lines(tmp_path: Path) -> None:
    good = '{"text": "a", "label": "x"}\n' * 20
    (tmp_path / "a.jsonl").write_text(good + '{"text": "b", \n[1, 2]\n' + good, "utf-8")
    rows = read(str(tmp_path / "a.jsonl"))
    assert len(rows) == 40
    assert [b.line for b in rows.broken] == [21, 22]
    assert "not an object" in rows.broken[1].reason


def test_undecodable_bytes_are_kept_aside(tmp_path: Path) -> None:
    lines = ["很好,pos".encode()] * 50
    lines[7] = b"bad \xff\xfe byte,pos"
    (tmp_path / "a.csv").write_bytes(b"\n".join([b"text,label", *lines]))
    rows = read(str(tmp_path / "a.csv"))
    assert rows.origin.encoding == "utf-8"
    assert len(rows) == 49
    assert rows.broken[0].text == "bad <FF><FE> byte,pos"
    assert "utf-8" in rows.broken[0].reason


def test_mostly_broken_is_refused(tmp_path: Path) -> None:
    lines = ["text,label", *["a,b"] * 6, *["a,b,c"] * 4]
    (tmp_path / "a.csv").write_text("\n".join(lines), "utf-8")
    refused(tmp_path / "a.csv", "4 of 10 rows are broken", "3 cells instead of 2", "data.delimiter")


def test_wrong_encoding_given(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("text,label\n很好,正\n很差,负\n".encode("gbk"))
    with pytest.raises(DataError, match="rows are broken") as caught:
        read(str(tmp_path / "a.csv"), encoding="utf-8")
    assert "data.encoding" in caught.value.hint


def test_json_without_rows(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": 1}', "utf-8")
    refused(tmp_path / "a.json", "without rows")
    (tmp_path / "b.json").write_text('[{"a": 1}', "utf-8")
    refused(tmp_path / "b.json", "is not JSON")


def test_mixed_formats(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\na,b\n", "utf-8")
    (tmp_path / "b.jsonl").write_text('{"text": "a"}\n', "utf-8")
    refused(tmp_path, "several formats")


def rows_of(tmp_path: Path, text: str):  # type: ignore[no-untyped-def]
    (tmp_path / "a.csv").write_text(text, "utf-8")
    return read(str(tmp_path / "a.csv"))


def test_one_label(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, "text,label\n" + "".join(f"text number {i},pos\n" for i in range(30)))
    columns = guess(rows).columns
    with pytest.raises(DataError, match='only one label, "pos"'):
        split(rows, columns)


def test_a_label_with_one_row_stays_in_training(tmp_path: Path) -> None:
    texts = "".join(f"text {i} {'abc'[i % 3] * 9},{'pos' if i % 2 else 'neg'}\n" for i in range(60))
    rows = rows_of(tmp_path, f"text,label\n{texts}something quite different,rare\n")
    parts = split(rows, guess(rows).columns)
    assert "rare" in parts.train.column("label").to_pylist()
    assert any('"rare" (1 rows)' in note for note in parts.notes)


def test_labels_with_spaces_and_mixed_types(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, "text,label\na great day,1 \na bad day,0\nso so,1.0\nnever,0.0\nfine then, 1\n")
    notes: list[str] = []
    table = table_of_roles(rows, {"text": "text", "label": "label"}, ["text", "label"], notes=notes)
    assert [row["label"] for row in table] == ["1", "0", "1", "0", "1"]
    assert any("Spaces" in n for n in notes)
    assert any("1.0 became 1" in n for n in notes)
    cleaned, report = clean(rows, {"text": "text", "label": "label"})
    assert cleaned.column("label").to_pylist() == ["1", "0", "1", "0", "1"]
    assert len(report.labels) == 2


def test_missing_columns_name_the_nearest(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, "review,sentiment\nlovely place to stay,pos\nawful place to stay,neg\n")
    for call in (
        lambda: guess(rows, columns={"text": "reviw"}),
        lambda: table_of_roles(rows, {"text": "reviw"}, ["text"]),
        lambda: rows.column("reviw"),
    ):
        with pytest.raises(DataError, match='no column "reviw"') as caught:
            call()
        assert '"review"' in caught.value.hint
    with pytest.raises(DataError, match='role "label"'):
        table_of_roles(rows, {"text": "review"}, ["text", "label"])


def test_empty_label_names_its_row(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, "text,label\nlovely place,pos\nawful place,\nso so,neg\n")
    with pytest.raises(DataError, match="row 2 has no label"):
        table_of_roles(rows, {"text": "text", "label": "label"}, ["text", "label"])


def test_too_few_rows(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, "text,label\nlovely place,pos\nawful thing,neg\n")
    with pytest.raises(DataError, match="2 rows are too few"):
        split(rows, {"text": "text", "label": "label"})
