"""Every spelling of tokens with tags and of texts with spans; what is broken is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tunesmith.data.read import read
from tunesmith.data.schema import guess
from tunesmith.data.settle import as_read
from tunesmith.data.shapes.shape import RowProblem
from tunesmith.data.shapes.token_classification import TokenShape
from tunesmith.data.tags import is_plain

BERLIN = {"text": "We live in Berlin now", "spans": [{"start": 11, "end": 17, "label": "place"}]}
WORDS = [[0, 2], [3, 7], [8, 10], [11, 17], [18, 21]]
TOKENS, TAGS = ["We", "live", "in", "Berlin", "now"], ["O", "O", "O", "B-place", "O"]


def one(target: bool = True, **cells: Any) -> dict[str, Any]:
    (row,) = TokenShape().read(cells, target=target)
    return row


@pytest.mark.parametrize(
    "cells",
    [
        {"tokens": TOKENS, "tags": TAGS},
        {"tokens": json.dumps(TOKENS), "tags": json.dumps(TAGS)},
        {"tokens": " ".join(TOKENS), "tags": " ".join(TAGS)},
        {"text": " ".join(TOKENS), "tags": " ".join(TAGS)},
        {"text": BERLIN["text"], "spans": BERLIN["spans"], "words": WORDS},
        {"text": BERLIN["text"], "spans": BERLIN["spans"], "words": json.dumps(WORDS)},
    ],
)
def test_tokens_and_tags(cells: dict[str, Any]) -> None:
    assert one(**cells) == {**BERLIN, "words": WORDS}


@pytest.mark.parametrize(
    "spans",
    [
        [{"start": 11, "end": 17, "label": "place"}],
        [{"start_offset": 11, "end_offset": 17, "type": "place", "id": 7}],
        [{"begin": 11, "end": 17, "entity": "place", "text": "Berlin"}],
        [{"start": 11, "end": 17, "labels": ["place"], "value": "Berlin"}],
        [[11, 17, "place"]],
        [["place", 11, 17]],
        {"place": {"Berlin": [[11, 16]]}},
    ],
)
@pytest.mark.parametrize("as_text", [False, True])
def test_text_and_spans(spans: Any, as_text: bool) -> None:
    assert one(text=BERLIN["text"], spans=json.dumps(spans) if as_text else spans) == BERLIN


def test_chinese_by_character_and_by_word() -> None:
    row = one(tokens=list("他在NBA打球"), tags=["O", "O", "B-org", "I-org", "I-org", "O", "O"])
    assert row["text"] == "他在NBA打球" and row["spans"] == [{"start": 2, "end": 5, "label": "org"}]
    assert one(text="他在NBA打球", tags=["O", "O", "S-org", "B-x", "M-x", "E-x", "O"])["spans"][1] == {
        "start": 3,
        "end": 6,
        "label": "x",
    }
    assert one(tokens=["他", "在", "北京大学"], tags=["PN", "P", "NR"])["spans"][2] == {
        "start": 2,
        "end": 6,
        "label": "NR",
    }


def test_no_spans_are_an_answer_and_none_given_is_not() -> None:
    assert one(text="nothing", spans=[])["spans"] == [] == one(text="nothing", spans="[]")["spans"]
    with pytest.raises(RowProblem, match="neither spans nor tags"):
        one(text="nothing")


def test_a_request_may_be_spelled_alike() -> None:
    assert one(target=False, tokens=TOKENS) == {"text": BERLIN["text"], "words": WORDS}
    assert one(target=False, text="我在北京👍") == {"text": "我在北京👍"}
    assert one(target=False, text="") == {"text": ""}


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ({"tokens": TOKENS, "tags": TAGS[:-1]}, '5 tokens and 4 tags: "We live'),
        ({"tokens": TOKENS, "tags": [0, 0, 0, 5, 0]}, "tags are numbers"),
        ({"tokens": ["a", ""], "tags": ["O", "O"]}, "token 2 is empty"),
        ({"tokens": [], "tags": []}, "no tokens"),
        ({"tokens": [["a"]], "tags": ["O"]}, "no list of words"),
        ({"text": "Berlin", "spans": [{"start": 0, "end": 99, "label": "x"}]}, "outside the text"),
        ({"text": "Berlin", "spans": [{"start": 0, "label": "x"}]}, "no start, end and label"),
        ({"text": "Berlin", "spans": [{"start": 0, "end": 2.5, "label": "x"}]}, "no start, end and label"),
        ({"text": "Berlin", "spans": "somewhere"}, "spans are no list"),
        ({"text": "Berlin", "spans": [3]}, "no start, end and label"),
        ({"text": "在北京", "spans": {"place": {"上海": [[1, 2]]}}}, 'should be "上海" and is not: "在[北京]"'),
        ({"text": "Berlin", "spans": {"place": {"Berlin": "here"}}}, "no places"),
        ({"text": "Berlin now", "spans": [], "words": [[5, 2]]}, "words are not places"),
        ({"text": "Berlin now", "spans": [[0, 3, "x"]], "words": [[0, 6], [7, 10]]}, "cuts through a word"),
        ({"text": " ", "spans": []}, "text is empty"),
        ({"spans": []}, "there is no text"),
    ],
)
def test_broken_rows_are_told(cells: dict[str, Any], words: str) -> None:
    with pytest.raises(RowProblem) as problem:
        one(**cells)
    assert words in str(problem.value)


def test_what_was_mended_is_counted() -> None:
    shape = TokenShape()
    for cells in (
        {"tokens": TOKENS, "tags": TAGS},
        {"tokens": TOKENS, "tags": ["O", "I-x", "O", "O", "O"]},
        {"text": "New York", "spans": [[0, 8, "a"], [0, 8, "a"], [0, 3, "b"]]},
    ):
        list(shape.read(cells, target=True))
    assert shape.repaired() == {
        "spans that began without a B- tag": 1,
        "spans that were given twice": 1,
        "spans that overlap another (see the option nested)": 1,
    }
    assert shape.names([{"label": "a"}, {"label": "b"}]) == ["a", "b"]


def _file(folder: Path, rows: list[dict[str, Any]]) -> Any:
    path = folder / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "utf-8")
    return read(str(path))


@pytest.mark.parametrize(
    ("row", "columns"),
    [
        ({"id": 1, "tokens": TOKENS, "ner_tags": TAGS}, {"tokens": "tokens", "tags": "ner_tags"}),
        ({"tokens": TOKENS, "pos_tags": TOKENS, "ner_tags": TAGS}, {"tokens": "tokens", "tags": "ner_tags"}),
        ({"words": TOKENS, "ner_tags": [0, 0, 0, 5, 0]}, {"tokens": "words", "tags": "ner_tags"}),
        ({"text": " ".join(TOKENS), "labels": " ".join(TAGS)}, {"tokens": "text", "tags": "labels"}),
        ({"text": BERLIN["text"], "entities": BERLIN["spans"]}, {"text": "text", "spans": "entities"}),
        ({"text": BERLIN["text"], "label": {"place": {"Berlin": [[11, 16]]}}}, {"text": "text", "spans": "label"}),
        ({"sentence": BERLIN["text"], "ner": [[11, 17, "place"]]}, {"text": "sentence", "spans": "ner"}),
    ],
)
def test_a_file_is_known_by_what_is_in_it(tmp_path: Path, row: dict[str, Any], columns: dict[str, str]) -> None:
    other = {**row, **{k: f"{v} again" for k, v in row.items() if k in ("text", "sentence")}}
    other = row if " ".join(TAGS) in map(str, row.values()) else other
    found = guess(_file(tmp_path, [row, other, row, other]))
    assert found.task == "token-classification" and found.columns == columns, found.why


@pytest.mark.parametrize(
    "row",
    [
        {"text": "a good film", "label": "good"},
        {"text": "a good film", "labels": ["film", "good"]},
        {"text": "Berlin", "label": "place"},
    ],
)
def test_other_files_are_left_to_others(tmp_path: Path, row: dict[str, Any]) -> None:
    rows = [row, {**row, "text": f"{row['text']} 2".split()[0] if " " not in row["text"] else row["text"] + " 2"}]
    assert guess(_file(tmp_path, rows * 3)).task != "token-classification"


@pytest.mark.parametrize(("suffix", "outside"), [("bmes", "S"), ("txt", "S"), ("txt", "O")])
def test_tags_without_a_label_are_spans_of_one_kind(suffix: str, outside: str, tmp_path: Path) -> None:
    """Chinese words, and chunks: each tag as a label of its own would score words and not spans."""
    sentence = [("北", "B"), ("京", "E"), ("很", outside), ("大", outside)]
    file = tmp_path / f"words.{suffix}"
    file.write_text("\n\n".join("\n".join(f"{c} {tag}" for c, tag in sentence) for _ in range(30)), "utf-8")
    source, notes = read(str(file)), list[str]()
    found = guess(source)
    assert found.task == "token-classification"
    rows, roles = as_read(source, found.task, found.columns, notes)
    spans = json.loads(rows.column(roles["spans"]).to_pylist()[0])
    alone = [{"start": 2, "end": 3, "label": "span"}, {"start": 3, "end": 4, "label": "span"}] if outside == "S" else []
    assert spans == [{"start": 0, "end": 2, "label": "span"}, *alone]
    assert notes == ['30 rows whose tags name no label: their spans are called "span".']
    assert is_plain(["B", "E", "S"]), "one row alone may be parts of speech"


def test_tags_are_read_alike_in_all_rows_of_a_file(tmp_path: Path) -> None:
    """A row without an O, and one with a tag that is none of the others' kind, tell of themselves the wrong thing."""

    def spans_of(rows: list[tuple[str, str]], notes: list[str] | None = None) -> list[list[tuple[int, int, str]]]:
        path = tmp_path / "a.jsonl"
        path.write_text("".join(json.dumps({"tokens": text, "tags": tags}) + "\n" for text, tags in rows))
        found, _ = as_read(read(str(path)), "token-classification", {"tokens": "tokens", "tags": "tags"}, notes)
        return [[(s["start"], s["end"], s["label"]) for s in json.loads(row["spans"])] for row in found]

    inside = [("Ann Lee", "PER PER"), ("Ann Lee ran", "PER PER O")]
    assert spans_of(inside) == [[(0, 7, "PER")], [(0, 7, "PER")]]
    assert spans_of([("a b", "NN NN"), ("c d", "S-X NN")])[1] == [(0, 1, "S-X"), (2, 3, "NN")], "parts of speech"
    notes: list[str] = []
    prefixed = [("Ann Lee ran", "B-PER I-PER O"), ("Bob ran", "PER O"), ("Bo", "B-PER")] * 2
    assert len(spans_of(prefixed, notes)) == 4
    assert any('the tag "PER" lacks a B- or I- before it' in note for note in notes)
