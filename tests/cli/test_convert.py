"""``tunesmith convert``."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from tunesmith.bundle.answers import answers_file
from tunesmith.bundle.questions import Question
from tunesmith.cli import main

NEWS = "EU B-ORG\nrejects O\nGerman B-MISC\ncall O\n\nPeter B-PER\nBlackburn I-PER\n"


@pytest.fixture
def news(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("train.conll").write_text(NEWS, "utf-8")
    return tmp_path


def lines(path: str) -> list[Any]:
    return [json.loads(line) for line in Path(path).read_text("utf-8").splitlines()]


def test_page(news: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", "train.conll", "train.jsonl", "--to", "doccano"]) == 0
    assert lines("train.jsonl") == [
        {"id": 1, "text": "EU rejects German call", "label": [[0, 2, "ORG"], [11, 17, "MISC"]]},
        {"id": 2, "text": "Peter Blackburn", "label": [[0, 15, "PER"]]},
    ]
    page = capsys.readouterr().out
    assert "2 entries of token-classification in train.jsonl (doccano)" in page
    assert 'tokens and tags: "tokens" and "tags"' in page


def test_json_and_options(news: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", "train.conll", "b.conll", "--to", "conll", "scheme=BIOES", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["output"], found["format"], found["entries"], found["broken"]) == ("b.conll", "conll", 2, 0)
    assert Path("b.conll").read_text("utf-8").split()[1::2] == ["S-ORG", "O", "S-MISC", "O", "B-PER", "E-PER"]


def test_there_and_back_through_every_tool(news: Path) -> None:
    ways = ["a.jsonl:doccano", "b.json:label-studio", "c:brat", "d.jsonl:jsonl", "e.conll:conll"]
    before = "train.conll"
    for way in ways:
        output, form = way.split(":")
        assert main(["convert", before, output, "--to", form]) == 0
        before = output
    assert Path("e.conll").read_text("utf-8").replace("\t", " ") == NEWS + "\n"
    assert sorted(p.name for p in Path("c").iterdir())[:3] == ["000001.ann", "000001.txt", "000002.ann"]
    assert Path("b.xml").read_text("utf-8").startswith("<View>")


def test_what_is_there_is_not_written_over(news: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.jsonl").write_text("mine", "utf-8")
    command = ["convert", "train.conll", "a.jsonl", "--to", "doccano"]
    assert main(command) == 2
    assert "a.jsonl is there already" in capsys.readouterr().err
    assert Path("a.jsonl").read_text("utf-8") == "mine"
    assert main([*command, "--replace"]) == 0
    assert len(lines("a.jsonl")) == 2


def test_a_folder_with_other_files_is_never_written_over(news: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("docs").mkdir()
    Path("docs/thesis.pdf").write_text("mine", "utf-8")
    assert main(["convert", "train.conll", "docs", "--to", "brat", "--replace"]) == 2
    assert "thesis.pdf" in capsys.readouterr().err
    Path("docs/thesis.pdf").rename("docs/old.ann")
    assert main(["convert", "train.conll", "docs", "--to", "brat", "--replace"]) == 0
    assert not Path("docs/old.ann").exists()
    assert main(["convert", "train.conll", "train.conll", "--to", "brat", "--replace"]) == 2
    assert Path("train.conll").read_text("utf-8") == NEWS


def test_broken_rows_are_counted_and_kept_beside(news: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = [{"text": "in 北京 now", "label": [[3, 5, "LOC"]]}] * 8
    bad = {"text": "in 北京 now", "label": [[3, 99, "LOC"]]}
    Path("a.jsonl").write_text("\n".join(json.dumps(row) for row in [*good, bad]) + "\n{oops\n", "utf-8")
    assert main(["convert", "a.jsonl", "a.conll", "--to", "conll"]) == 0
    assert "broken rows: 2" in capsys.readouterr().out
    with Path("a.conll.broken.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["line"] for row in rows] == ["10", "9"]
    assert rows[1]["reason"].startswith('the span 3-99 "LOC" is outside the text') and "北京" in rows[1]["text"]


def predicted(path: str, questions: list[dict[str, Any]], answers: list[dict[str, Any]]) -> None:
    """A file as ``tunesmith predict --output`` writes it."""
    with answers_file(Path(path)) as write:
        for question, answer in zip(questions, answers, strict=True):
            write(Question(question, question), answer)


SPANS = [{"start": 2, "end": 4, "text": "北京", "label": "地点", "score": 0.875}]


def test_predictions_become_tasks_to_be_mended(news: Path) -> None:
    predicted("p.jsonl", [{"text": "😀我北京"[1:], "url": "u"}, {"text": "没有"}], [
        {"spans": [{**SPANS[0], "start": 1, "end": 3}], "score": 0.875}, {"spans": [], "score": 0.99}])  # fmt: skip
    assert main(["convert", "p.jsonl", "p.json", "--to", "label-studio"]) == 0
    first, second = json.loads(Path("p.json").read_text("utf-8"))
    assert first["data"] == {"url": "u", "text": "我北京", "score": 0.875}
    made = first["predictions"][0]
    assert (made["model_version"], made["score"]) == ("tunesmith", 0.875)
    assert made["result"][0]["value"] == {"start": 1, "end": 3, "text": "北京", "labels": ["地点"]}
    assert second["annotations"] == [{"result": []}] or second["predictions"]


def test_what_was_predicted_goes_before_what_was_there(news: Path) -> None:
    given = [{"text": "我在北京", "spans": [{"start": 0, "end": 1, "label": "人"}]}] * 3
    predicted("p.jsonl", given, [{"spans": SPANS, "score": 0.875}] * 3)
    assert main(["convert", "p.jsonl", "p.conll", "--to", "conll"]) == 0
    assert Path("p.conll").read_text("utf-8").startswith("我\tO\n在\tO\n北\tB-地点\n京\tI-地点\n\n")
    assert main(["convert", "p.jsonl", "own.conll", "--to", "conll", "data.spans=spans"]) == 0
    assert Path("own.conll").read_text("utf-8").startswith("我\tB-人")


def test_predictions_for_tokens_answers_and_labels(news: Path) -> None:
    tokens = {"tokens": list("我在北京"), "tags": ["B-人", "O", "O", "O"]}
    predicted("t.jsonl", [tokens] * 3, [{"spans": SPANS, "score": 0.875}] * 3)
    assert main(["convert", "t.jsonl", "t.conll", "--to", "conll"]) == 0
    assert "北\tB-地点" in Path("t.conll").read_text("utf-8") and "人" not in Path("t.conll").read_text("utf-8")
    asked = [{"question": f"问{i}？", "context": "我在北京"} for i in range(3)]
    answers = [{"answer": "北京", "start": 2, "end": 4, "score": 0.5}] * 2
    predicted("q.jsonl", asked, [*answers, {"answer": "", "start": 0, "end": 0, "score": 0.9}])
    assert main(["convert", "q.jsonl", "q.json", "--to", "squad"]) == 0
    qas = json.loads(Path("q.json").read_text("utf-8"))["data"][0]["paragraphs"][0]["qas"]
    assert [q["answers"] for q in qas] == [[{"text": "北京", "answer_start": 2}]] * 2 + [[]]
    texts = [{"text": f"this is text number {i}", "label": "old"} for i in range(6)]
    predicted("l.jsonl", texts, [{"label": "ab"[i % 2], "score": 0.5 + i / 16} for i in range(6)])
    assert main(["convert", "l.jsonl", "l.json", "--to", "label-studio"]) == 0
    tasks = json.loads(Path("l.json").read_text("utf-8"))
    assert [t["predictions"][0]["result"][0]["value"]["choices"] for t in tasks] == [["a"], ["b"]] * 3
    assert tasks[1]["predictions"][0]["score"] == 0.5625


def test_texts_without_annotations_become_tasks(news: Path) -> None:
    Path("new.csv").write_text("text\nthe first text of all\nanother text to mark\n", "utf-8")
    assert main(["convert", "new.csv", "new.json", "--to", "label-studio"]) == 0
    assert json.loads(Path("new.json").read_text("utf-8"))[0] == {"id": 1, "data": {"text": "the first text of all"}}


@pytest.mark.parametrize(
    ("arguments", "problem", "hint"),
    [
        (["train.conll", "x", "--to", "squad"], "squad holds question with context", "conll, doccano"),
        (["train.conll", "x", "--to", "docano"], 'no format "docano"', 'Did you mean "doccano"'),
        (["train.conll", "x", "--to", "conll", "schema=BIO"], "takes no schema=BIO", 'Did you mean "scheme"'),
        (["train.conll", "x", "--to", "conll", "scheme=B"], "takes no scheme=B", "tunesmith plugins conll"),
        (["train.conll", "x", "--to", "conll", "BIOES"], '"BIOES" is no setting', "KEY=VALUE"),
        (["train.conll", "no/x", "--to", "conll"], "no folder no", "another place"),
        (["trian.conll", "x", "--to", "conll"], "no file trian.conll", 'Did you mean "train.conll"'),
        (["train.conll", "x", "--to", "conll", "data.spams=a"], "unknown key", "tunesmith schema"),
        (["train.conll", "x"], "not said", "--to FORMAT: conll, doccano"),
    ],
)
def test_errors_are_two_lines(
    news: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], problem: str, hint: str
) -> None:
    assert main(["convert", *arguments]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 2 and problem in said[0] and hint in said[1]
    assert sorted(p.name for p in news.iterdir()) == ["train.conll"]
