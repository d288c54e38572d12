"""``tunesmith predict``: every way in, every way out, in English and Chinese."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tunesmith.bundle.read import Bundle
from tunesmith.cli import main

Ask = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ask(bundle: Bundle, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Ask:
    def call(*arguments: object, stdin: str | None = None) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin or ""))
        code = main(["predict", str(bundle.path), *map(str, arguments)])
        return (code, *capsys.readouterr())

    return call


def test_texts_as_json(ask: Ask, bundle: Bundle) -> None:
    code, out, _ = ask("a good film", "房间很好", "--json")
    assert code == 0
    assert json.loads(out) == {"predictions": bundle.predict(["a good film", "房间很好"])}


def test_texts_as_a_table(ask: Ask, bundle: Bundle) -> None:
    code, out, _ = ask("a good film", "房间很好")
    lines = out.splitlines()
    assert code == 0
    assert len(lines) == 2
    assert lines[1].startswith(bundle.predict("房间很好")[0]["label"])
    assert lines[1].endswith("房间很好")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030"])
def test_csv_in_csv_out(ask: Ask, bundle: Bundle, tmp_path: Path, encoding: str) -> None:
    texts = ["房间很好，服务太差了，", "the film was good", "房间 not very good"]
    table = "id,review,label\n" + "".join(f'{i},"{text}",?\n' for i, text in enumerate(texts))
    (tmp_path / "new.csv").write_bytes(table.encode(encoding))
    code, out, err = ask("--file", tmp_path / "new.csv", "--output", tmp_path / "answers.csv")
    assert (code, err) == (0, "")
    assert "3 answers" in out
    with (tmp_path / "answers.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["review"] for row in rows] == texts
    assert [row["predicted_label"] for row in rows] == [p["label"] for p in bundle.predict(texts)]
    assert set(json.loads(rows[0]["scores"])) == {"bad", "good", "不好"}
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


@pytest.mark.parametrize("spool", [8, 2**20])
@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_a_table_has_the_columns_of_all_rows(
    ask: Ask, tmp_path: Path, suffix: str, spool: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tunesmith.bundle.answers.SPOOL", spool)
    given = [
        {"text": "good"},
        {"text": "房间\n很好", "id": 7, "tags": ["a", "b"]},
        {"body": "x"},
        {"text": "bad", "more": 0.5},
    ]
    place = tmp_path / f"a{suffix}"
    code, _, _ = ask("--output", place, stdin="\n".join(map(json.dumps, given)))
    with place.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="," if suffix == ".csv" else "\t"))
    assert code == 0 and list(rows[0])[-1] == "error"
    assert [row["id"] for row in rows] == ["", "7", "", ""] and [row["more"] for row in rows] == ["", "", "", "0.5"]
    assert rows[1]["text"] == "房间\n很好" and json.loads(rows[1]["tags"]) == ["a", "b"]
    assert rows[2]["body"] == "x" and rows[2]["error"] and rows[0]["label"]
    assert [path.name for path in tmp_path.iterdir()] == [place.name], "nothing is left beside it"


def test_columns_by_role_by_option_or_by_guess(ask: Ask, bundle: Bundle, tmp_path: Path) -> None:
    want = bundle.predict(["a good film"] * 3)
    for name, options in [("text", []), ("body", ["--column", "text=body"]), ("content", [])]:
        (tmp_path / "a.jsonl").write_text((json.dumps({"n": 3, name: "a good film"}) + "\n") * 3, "utf-8")
        code, out, _ = ask("--file", tmp_path / "a.jsonl", "--json", *options)
        assert (code, json.loads(out)["predictions"]) == (0, want)


def test_no_column_is_text(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("n,m\n1,2\n3,4\n", "utf-8")
    code, _, err = ask("--file", tmp_path / "a.csv")
    assert code == 2
    assert "Columns: n, m" in err
    assert "--column text=COLUMN" in err


def test_lines_of_stdin(ask: Ask, bundle: Bundle, tmp_path: Path) -> None:
    code, _, _ = ask("--output", tmp_path / "a.jsonl", stdin="good film\r\n房间很好\n")
    lines = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text("utf-8").splitlines()]
    assert code == 0
    assert [line["text"] for line in lines] == ["good film", "房间很好"]
    assert [line["label"] for line in lines] == [p["label"] for p in bundle.predict(["good film", "房间很好"])]


def test_json_lines_of_stdin_by_role_or_by_the_recipes_column(ask: Ask, bundle: Bundle) -> None:
    stdin = '{"text": "bad 差"}\n\n{"review": "good"}\n'
    code, out, _ = ask("--json", stdin=stdin)
    assert (code, json.loads(out)["predictions"]) == (0, bundle.predict(["bad 差", "good"]))


def test_bad_rows_are_answered_by_what_is_wrong(ask: Ask) -> None:
    stdin = '{"text": "good"}\n{"text": " "}\n{"body": "x"}\nnot json\n'
    code, out, err = ask("--json", stdin=stdin)
    found = json.loads(out)["predictions"]
    assert code == 0
    assert [p.get("error", "")[:12] for p in found] == ["", "no text", "Row 3 has no", "line 4 is no"]
    assert found[1]["label"] is None
    assert "3 of 4 rows have no answer" in err


@pytest.mark.parametrize(
    ("first", "problem"),
    [
        ('[{"text": "a"}]', "line 1 is a JSON list; give an object a line"),
        ("[", "line 1 is not a JSON object"),
        ('{"text": "a"', "line 1 is not a JSON object"),
        ('\n{"text": "a"', "line 2 is not a JSON object"),
    ],
)
def test_a_broken_first_line_does_not_make_texts_of_the_others(
    ask: Ask, bundle: Bundle, first: str, problem: str
) -> None:
    code, out, _ = ask("--json", stdin=f'{first}\n{{"text": "good"}}\n')
    broken, answered = json.loads(out)["predictions"]
    assert (code, broken["error"], answered) == (0, problem, bundle.predict(["good"])[0])
    code, out, _ = ask("--json", stdin="[1] a good film\ngood\n")
    assert json.loads(out)["predictions"] == bundle.predict(["[1] a good film", "good"]), "texts, as they were"


def test_half_a_surrogate_pair_is_one_unknown_character(ask: Ask, bundle: Bundle, tmp_path: Path) -> None:
    lines = '{"text": "good \\ud83d", "tags": ["\\ud83d"]}\n{"text": "房间很好"}\n'
    want = bundle.predict(["good \ufffd", "房间很好"])
    (tmp_path / "a.jsonl").write_text(lines, "utf-8")
    for given in ({"stdin": lines}, {}):
        named = [] if given else ["--file", tmp_path / "a.jsonl"]
        code, _, err = ask("--output", tmp_path / "b.jsonl", *named, **given)
        found = [json.loads(line) for line in (tmp_path / "b.jsonl").read_text("utf-8").splitlines()]
        assert (code, err) == (0, "") and [one["label"] for one in found] == [one["label"] for one in want]
        assert found[0]["text"] == "good \ufffd" and found[0]["tags"] == ["\ufffd"]
    assert bundle.predict([{"text": "good \ud83d"}]) == bundle.predict(["good \ufffd"])
    labelled = [f'{{"text": "row {i} \\ud83d", "label": "{"ab"[i % 2]}", "more": ["\\ud83d"]}}' for i in range(30)]
    (tmp_path / "c.jsonl").write_text("\n".join(labelled), "utf-8")
    assert main(["check", str(tmp_path / "c.jsonl"), "--json"]) == 0


@pytest.mark.parametrize(
    ("arguments", "stdin", "said"),
    [
        (["x", "--output", "a.docx"], "", "known format"),
        (["x", "--file", "a.csv"], "", "Both texts"),
        ([], "", "nothing to predict"),
        ([], "\n\n", "None of the 2 rows"),
        (["--file", "absent.csv"], "", "absent.csv"),
        (["x", "--column", "text"], "", "ROLE=COLUMN"),
        (["x", "--runtime", "tocrh"], "", "Did you mean"),
        (["x", "--output", "nowhere/a.csv"], "", "cannot be written to nowhere"),
    ],
)
def test_errors_are_two_lines(ask: Ask, arguments: list[str], stdin: str, said: str) -> None:
    code, out, err = ask(*arguments, stdin=stdin)
    assert code == 2
    assert out == ("(no text)\n" * 2 if stdin else "")
    assert said in err
    assert len(err.strip().splitlines()) == 2


def test_damaged_bundle(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "model.safetensors").write_bytes(b"")
    assert main(["predict", str(folder), "good"]) == 2
    err = capsys.readouterr().err
    assert "model.safetensors has 0 bytes" in err
    assert len(err.strip().splitlines()) == 2


def test_a_failed_file_leaves_the_old_one(ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    old = tmp_path / "a.jsonl"
    old.write_text("old", "utf-8")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    code, _, err = ask("good", "--output", old)
    assert code == 2
    assert "No space left" in err
    assert old.read_text("utf-8") == "old"
    assert list(tmp_path.iterdir()) == [old]
