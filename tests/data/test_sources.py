"""Every format, encoding and delimiter gives the same rows."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tunesmith.core.errors import DataError
from tunesmith.data.read import batches, read
from tunesmith.data.rows import Rows
from tunesmith.data.sources import SOURCES

ROWS = [
    {"text": "The room was clean,\nand quiet; we loved it", "label": "pos"},
    {"text": '房间很干净，"服务"也好', "label": "pos"},
    {"text": "早餐太差|不会再来", "label": "neg"},
    {"text": "Café closed early, naïve of us", "label": "neg"},
] * 3


def delimited(delimiter: str = ",", rows: list[dict[str, str]] = ROWS) -> str:
    def cell(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if any(c in text for c in f'{delimiter}"\n') else text

    lines = ["text" + delimiter + "label", *(cell(r["text"]) + delimiter + r["label"] for r in rows)]
    return "\n".join(lines) + "\n"


def contents(rows: Rows) -> list[dict[str, str]]:
    return [{"text": r["text"], "label": r["label"]} for r in rows]


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|", "，"])
@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_delimiter_is_found_whatever_the_name(tmp_path: Path, delimiter: str, suffix: str) -> None:
    path = tmp_path / f"rows{suffix}"
    path.write_text(delimited(delimiter), "utf-8")
    rows = read(str(path))
    assert contents(rows) == ROWS
    assert rows.origin.delimiter == delimiter
    assert not rows.broken


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "gb18030"])
@pytest.mark.parametrize("packed", [False, True])
def test_encoding_is_found(tmp_path: Path, encoding: str, packed: bool) -> None:
    data = delimited().encode(encoding)
    path = tmp_path / ("rows.csv.gz" if packed else "rows.csv")
    path.write_bytes(gzip.compress(data) if packed else data)
    assert contents(read(str(path))) == ROWS


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
def test_western_encoding_is_not_taken_for_chinese(tmp_path: Path, encoding: str) -> None:
    rows = [
        {"text": "Très bon café, été à Nîmes déjà vu", "label": "pos"},
        {"text": "Zu süß für mich, größer wäre schön", "label": "neg"},
    ]
    path = tmp_path / "rows.csv"
    path.write_bytes(delimited(rows=rows).encode(encoding))
    assert contents(read(str(path))) == rows


@pytest.mark.parametrize("text", ["好", "不错", "联通", "房间小", "差评！"])
def test_short_gbk_texts(tmp_path: Path, text: str) -> None:
    rows = [{"text": text, "label": "正面"}, {"text": "质量很好", "label": "负面"}]
    path = tmp_path / "rows.csv"
    path.write_bytes(delimited(rows=rows).encode("gbk"))
    assert contents(read(str(path))) == rows


@pytest.mark.parametrize(
    ("encoding", "text"), [("utf-8", "很好"), ("gbk", "服务员的态度很好"), ("latin-1", "voilà l'été")]
)
def test_first_foreign_character_may_come_late(tmp_path: Path, encoding: str, text: str) -> None:
    rows = [{"text": f"plain text number {i} " + "x" * 80, "label": "a"} for i in range(20000)]
    rows.append({"text": text, "label": "b"})
    path = tmp_path / "rows.csv"
    path.write_bytes(delimited(rows=rows).encode(encoding))
    assert read(str(path))[-1] == rows[-1]


def test_other_encodings_by_statistics(tmp_path: Path) -> None:
    text = "Номер был чистый, персонал очень приветливый, завтрак вкусный"
    rows = [{"text": text + " и мы вернёмся сюда ещё раз", "label": "да"}, {"text": text, "label": "нет"}] * 10
    path = tmp_path / "rows.csv"
    path.write_bytes(delimited(rows=rows).encode("cp1251"))
    assert contents(read(str(path))) == rows


def test_given_encoding_and_delimiter_win(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"a;b,c\n1;2,3\n")
    assert read(str(path), delimiter=";").columns == ["a", "b,c"]
    with pytest.raises(DataError, match="no encoding"):
        read(str(path), encoding="utf-99")


def test_json_kinds(tmp_path: Path) -> None:
    written = {
        "lines.jsonl": "\n".join(json.dumps(r) for r in ROWS),
        "misnamed.csv": "\n".join(json.dumps(r, ensure_ascii=False) for r in ROWS),
        "list.json": json.dumps(ROWS),
        "under_key.json": json.dumps({"version": 1, "data": ROWS}),
        "columns.json": json.dumps({k: [r[k] for r in ROWS] for k in ("text", "label")}),
        "lines.json": "\n".join(json.dumps(r) for r in ROWS),
        "list.jsonl": json.dumps(ROWS, indent=1),
    }
    for name, text in written.items():
        (tmp_path / name).write_text(text, "utf-8")
        assert contents(read(str(tmp_path / name))) == ROWS, name


def test_parquet_whatever_its_name(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "rows.csv")
    rows = read(str(tmp_path / "rows.csv"))
    assert rows.origin.format == "parquet"
    assert contents(rows) == ROWS


def test_excel(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(["text", "label"])
    for row in ROWS:
        book.active.append(list(row.values()))
    book.create_sheet("notes").append(["x"])
    book.save(tmp_path / "rows.xlsx")
    rows = read(str(tmp_path / "rows.xlsx"))
    assert contents(rows) == ROWS
    assert "2 sheets" in rows.origin.notes[0]
    notes = [f"note {i}" for i in range(5)]
    sheet = book.create_sheet("Second one")
    for cell in ["text", *notes]:
        sheet.append([cell])
    book.save(tmp_path / "rows.xlsx")
    assert read(f"{tmp_path / 'rows.xlsx'}#Second one").column("text").to_pylist() == notes
    with pytest.raises(DataError, match='no sheet "Secnd one"') as caught:
        read(f"{tmp_path / 'rows.xlsx'}#Secnd one")
    assert '"Second one"' in caught.value.hint


@pytest.mark.parametrize("where", ["rows.csv", "*.csv", "."])
def test_a_part_that_files_do_not_have_is_refused(tmp_path: Path, where: str) -> None:
    """It was read whole, without a word."""
    (tmp_path / "rows.csv").write_text(delimited(), "utf-8")
    with pytest.raises(DataError, match='read as csv, which has no part "test"'):
        read(f"{tmp_path / where}#test")


def test_dataset_folder_and_its_splits(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])})
    data = datasets.Dataset.from_list([{"text": "a", "label": 0}, {"text": "b", "label": 1}], features=features)
    datasets.DatasetDict({"train": data, "test": data.select([1])}).save_to_disk(str(tmp_path / "set"))
    rows = read(str(tmp_path / "set"))
    assert contents(rows) == [{"text": "a", "label": "neg"}, {"text": "b", "label": "pos"}]
    assert "#NAME" in rows.origin.notes[0]
    assert len(read(f"{tmp_path / 'set'}#test")) == 1
    with pytest.raises(DataError, match='no split "tset"') as caught:
        read(f"{tmp_path / 'set'}#tset")
    assert '"test"' in caught.value.hint


def test_hub_source_reads_a_local_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("datasets")
    from tunesmith.data.sources.hub import Hub
    from tunesmith.data.sources.source import Reading

    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "train.csv").write_text(delimited(rows=[{"text": "a", "label": "x"}]), "utf-8")
    found = list(Hub().batches(str(tmp_path / "set"), Reading()))
    assert found[0].to_pylist() == [{"text": "a", "label": "x"}]


def test_hub_id_offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    monkeypatch.chdir(tmp_path)

    def unreachable(*args: object, **kwargs: object) -> None:
        raise ConnectionError("no network")

    monkeypatch.setattr("datasets.load_dataset", unreachable)
    with pytest.raises(DataError, match="could not be had from the hub") as caught:
        read("owner/reviews")
    assert caught.value.hint


def test_plain_lines(tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("很好，下次再来\n\nfine, thanks\n", "utf-8")
    assert read(str(tmp_path / "texts.txt")).column("text").to_pylist() == ["很好，下次再来", "fine, thanks"]


def test_many_files(tmp_path: Path) -> None:
    for i in range(3):
        (tmp_path / f"part{i}.csv").write_text(delimited(rows=[{"text": f"t{i}", "label": "x"}]), "utf-8")
    (tmp_path / "test.csv").write_text(delimited(rows=[{"text": "held", "label": "x"}]), "utf-8")
    assert read(str(tmp_path / "part*.csv")).column("text").to_pylist() == ["t0", "t1", "t2"]
    folder = read(str(tmp_path))
    assert len(folder) == 3
    assert "data.test=FILE" in folder.origin.notes[0]


def test_columns_that_differ_between_files(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a", "label": 1}\n', "utf-8")
    (tmp_path / "b.jsonl").write_text('{"text": "b", "label": "one", "more": true}\n', "utf-8")
    assert list(read(str(tmp_path / "*.jsonl"))) == [
        {"text": "a", "label": "1", "more": None},
        {"text": "b", "label": "one", "more": True},
    ]


def test_no_header_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1,很好\n0,不好\n1,不错\n", "utf-8")
    rows = read(str(tmp_path / "a.csv"))
    assert len(rows) == 3
    assert rows.columns == ["column_1", "column_2"]
    assert "no header" in rows.origin.notes[0]


def test_escaped_quotes_and_odd_names(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('text,,text\n"say \\"hi\\", ok",1,x\n"b, c",2,y\n', "utf-8")
    rows = read(str(tmp_path / "a.csv"))
    assert rows.columns == ["text", "column_2", "text_2"]
    assert rows[0]["text"] == 'say "hi", ok'


def test_batches_stream(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"text": str(i)}) + "\n" for i in range(20000)), "utf-8")
    sizes = [b.num_rows for b in batches(str(path))]
    assert sum(sizes) == 20000
    assert len(sizes) > 2


@pytest.mark.parametrize("name", list(SOURCES))
def test_every_source_says_what_it_is(name: str) -> None:
    source = SOURCES.make(name)
    assert source.name == name
    assert source.summary


def pairs(count: int) -> list[str]:
    return ["en\tde", *(f"Sentence {i} is here\tSatz {i * 7919 % 1013} ist hier" for i in range(count))]


@pytest.mark.parametrize("places", [[51], [6, 13], [1], [200], list(range(7, 150, 13))])
def test_stray_quotes_swallow_no_rows(tmp_path: Path, places: list[int]) -> None:
    lines = pairs(200)
    for place in places:
        lines[place] = f'"{lines[place]}'
    (tmp_path / "a.tsv").write_text("\n".join(lines) + "\n", "utf-8")
    rows = read(str(tmp_path / "a.tsv"))
    assert ["\t".join(row.values()) for row in rows] == lines[1:]
    assert not rows.broken
    assert "quotes are read as signs of the text" in rows.origin.notes[0]


def test_a_stray_quote_behind_the_sample(tmp_path: Path) -> None:
    lines = pairs(12000)
    lines[9000] = f'"{lines[9000]}'
    (tmp_path / "a.tsv").write_text("\n".join(lines) + "\n", "utf-8")
    rows = read(str(tmp_path / "a.tsv"))
    assert (len(rows), rows[8999]["en"]) == (12000, '"Sentence 8999 is here')


def test_quotes_around_a_part_of_a_cell_stay(tmp_path: Path) -> None:
    lines = [*pairs(40), '"Do you like it?" "Yes, I do."\t"Magst du es?" "Ja."']
    (tmp_path / "a.tsv").write_text("\n".join(lines), "utf-8")
    assert read(str(tmp_path / "a.tsv"))[-1]["en"] == '"Do you like it?" "Yes, I do."'


@pytest.mark.parametrize("delimiter", [",", "\t", "|"])
@pytest.mark.parametrize(
    "cell", ["Nice, but\npricey", "One\n\nline two, or\nthree", 'He said "no",\nthen "yes"', "plain", "a,b\nc,d\ne,f"]
)
@pytest.mark.parametrize("always", [False, True])
def test_quoted_cells_are_read_as_before(tmp_path: Path, delimiter: str, cell: str, always: bool) -> None:
    made = [{"text": f"{cell} {i}" if i % 3 else f"fine {i}", "label": "ab"[i % 2]} for i in range(60)]
    with (tmp_path / "a.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL if always else csv.QUOTE_MINIMAL)
        writer.writerows([["text", "label"], *(row.values() for row in made)])
    rows = read(str(tmp_path / "a.csv"))
    assert contents(rows) == made
    assert not rows.origin.notes


def test_a_broken_record_counts_by_its_lines(tmp_path: Path) -> None:
    lines = ["text,label", *(f'"Nice, {i}",pos' for i in range(120)), '"Never, closed,neg', *["fine,neg"] * 80]
    (tmp_path / "a.csv").write_text("\n".join(lines), "utf-8")
    with pytest.raises(DataError, match=r"81 of 201 rows are broken; the longest, line 122: .* over 81 lines"):
        read(str(tmp_path / "a.csv"))


VERSE = [
    "床前明月光，疑是地上霜。",
    "举头望明月，低头思故乡。",
    "白日依山尽，黄河入海流。",
    "欲穷千里目，更上一层楼。",
] * 2
PROSE = [f"When the {what} came, we left the {what}." for what in ("rain", "sun", "fog", "wind", "night", "dawn")]


@pytest.mark.parametrize("lines", [VERSE, PROSE, ["one; two; three"] * 9])
def test_a_comma_in_each_line_is_no_table(tmp_path: Path, lines: list[str]) -> None:
    (tmp_path / "a.txt").write_text("\n".join(lines), "utf-8")
    assert read(str(tmp_path / "a.txt")).column("text").to_pylist() == lines


def test_tables_in_txt(tmp_path: Path) -> None:
    rows = [f"fine {i},pos" for i in range(9)]
    (tmp_path / "known.txt").write_text("\n".join(["text,label", *rows]), "utf-8")
    (tmp_path / "given.txt").write_text("\n".join(["what,how", *rows]), "utf-8")
    (tmp_path / "tabs.txt").write_text("\n".join(["what\thow", *rows]).replace(",", "\t"), "utf-8")
    assert read(str(tmp_path / "known.txt")).columns == ["text", "label"]
    assert read(str(tmp_path / "given.txt")).columns == ["text"]
    assert read(str(tmp_path / "given.txt"), delimiter=",").columns == ["what", "how"]
    assert read(str(tmp_path / "tabs.txt"))[3] == {"what": "fine 3", "how": "pos"}


@pytest.mark.parametrize(
    ("first", "line"),
    [
        ("Das Haus ist groß.\tThe house is big.", "Haus {} ist klein.\tHouse {} is small."),
        ("Hi.\t嗨。", "How are you, {}?\t你好吗，{}？"),
        ("我们今天去那个公园\twe all go to the park", "明天{}我们也去那个公园\tand {} we go there again"),
    ],
)
def test_a_pair_of_sentences_is_no_header(tmp_path: Path, first: str, line: str) -> None:
    lines = [first, *(line.format(i, i) for i in range(50))]
    (tmp_path / "a.tsv").write_text("\n".join(lines), "utf-8")
    rows = read(str(tmp_path / "a.tsv"))
    assert ["\t".join(row.values()) for row in rows] == lines


@pytest.mark.parametrize(
    ("header", "said"), [("en,de", False), ("why,how", False), ("What did you like best?,And what did you not?", True)]
)
def test_a_header_above_sentences(tmp_path: Path, header: str, said: bool) -> None:
    lines = [header, *(f"The room was nice and clean {i}.,We did not like the food {i}." for i in range(50))]
    (tmp_path / "a.csv").write_text("\n".join(lines), "utf-8")
    rows = read(str(tmp_path / "a.csv"))
    assert (len(rows), rows.columns) == (50, header.split(","))
    assert ["the first line was taken as the header" in note for note in rows.origin.notes] == [True] * said
