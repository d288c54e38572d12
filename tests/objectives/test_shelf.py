from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tunesmith import testing
from tunesmith.core.errors import DataError
from tunesmith.data import corpus as corpora
from tunesmith.data.corpus import SHARED, Corpus, standing_in
from tunesmith.data.han_words import found_words
from tunesmith.data.sources.source import Reading
from tunesmith.models.kept_apart import APART, apart
from tunesmith.objectives.marks import CLAUSE, SENTENCE, WORD, char_marks, token_marks
from tunesmith.objectives.masked_lm import MaskedLM
from tunesmith.objectives.packing import LEAST, Around, packed
from tunesmith.objectives.shelf import halved, in_memory, write_shelf
from tunesmith.objectives.token_rows import TokenRows

CORPUS = {language: testing.toy_documents(language, 40) for language in ("en", "zh")}


def marked(text: str, bit: int, known: frozenset[str] = frozenset()) -> list[int]:
    return np.flatnonzero(char_marks(text, known) & bit).tolist()


def test_words_sentences_and_clauses_start_where_a_reader_sees_them() -> None:
    english = "Don't go. She said, yes!"
    assert marked(english, WORD) == [0, 6, 8, 10, 14, 18, 20, 23]
    assert marked(english, SENTENCE) == [10] and marked(english, CLAUSE) == [10, 20]
    chinese = "我喜欢北京。他来了，走吧"
    assert marked(chinese, WORD, frozenset({"喜欢", "北京"})) == [0, 1, 3, 5, 6, 7, 8, 9, 10, 11]
    assert marked(chinese, SENTENCE) == [6] and marked(chinese, CLAUSE) == [6, 10]


def test_half_width_signs_end_a_clause_beside_a_letter_without_spaces() -> None:
    text = "他来了,走吧!真的?好;ok,好,yes"
    assert [text[i] for i in marked(text, CLAUSE)] == ["走", "真", "好", "o", "好", "y"]
    assert [text[i] for i in marked(text, SENTENCE)] == ["真", "好", "o"]
    assert marked("1,000 or a;b!c", CLAUSE) == [], "where words have spaces, so have these signs"


def test_tokens_that_hold_a_space_are_marked_by_their_letter() -> None:
    marks = token_marks("good film. bad", [(0, 4), (4, 9), (9, 10), (10, 12), (12, 14)], frozenset())
    assert (marks & WORD).astype(bool).tolist() == [True, True, True, True, False]
    assert (marks & SENTENCE).astype(bool).tolist() == [True, False, False, True, False]


def test_words_of_a_chinese_corpus_are_found_in_it() -> None:
    words = found_words(CORPUS["zh"] * 3, cohesion=3)
    assert words and all(2 <= len(word) <= 4 for word in words)
    counts = "".join(CORPUS["zh"] * 3)
    assert all(counts.count(word) >= 8 for word in words)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_corpus_on_disk_is_the_one_in_memory(language: str, processor: Callable[[str], Any], tmp_path: Path) -> None:
    path = tmp_path / "corpus.jsonl.gz"
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps({"id": i, "text": text}) + "\n" for i, text in enumerate(CORPUS[language]))
    corpus = Corpus(str(path), hold=0.2)
    learned, held = list(corpus.learned()), list(corpus.held())
    assert len(held) == len(CORPUS[language]) // 5
    assert learned == [text for text in CORPUS[language] if text not in held]
    shelf = write_shelf(tmp_path / "shelf", corpus.learned(), processor("bert"))
    same = in_memory(learned, processor("bert"))
    for name in ("ids", "marks", "ends", "used"):
        assert np.array_equal(getattr(shelf, name), getattr(same, name)), name
    assert isinstance(shelf.ids, np.memmap)
    again = write_shelf(tmp_path / "shelf", iter(()), processor("bert"))
    assert np.array_equal(again.ids, shelf.ids), "a finished shelf is not made again"
    some = write_shelf(tmp_path / "some", corpus.learned(), processor("bert"), limit=50)
    assert len(some.ids) == len(some.marks) == some.ends[-1] == 50 < len(shelf.ids)
    with pytest.raises(DataError, match="no text"):
        write_shelf(tmp_path / "none", iter([" "]), processor("bert"))


@pytest.mark.parametrize("counted", [20_000, 10])
def test_the_same_document_does_not_stand_on_both_sides(
    counted: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpora, "COUNTED", counted)  # of more than so many, each is held out by its own hash
    texts = testing.toy_documents("en", 200)
    again = [f"  {text.upper()}" for text in texts]  # the same but for case and space
    (tmp_path / "corpus.txt").write_text("\n".join([*texts, *again]), "utf-8")
    corpus = Corpus(str(tmp_path / "corpus.txt"), hold=0.1)
    sides = [{text.lower() for text in side} for side in (corpus.learned(), corpus.held())]
    assert not sides[0] & sides[1] and len(sides[0]) + len(sides[1]) == 200
    assert len(sides[1]) == 20 if counted > 200 else 8 < len(sides[1]) < 35


def test_documents_of_a_test_file_are_not_learned_and_counted(tmp_path: Path) -> None:
    texts = testing.toy_documents("zh", 30)
    for name, own in (("corpus", texts), ("test", [*texts[:4], "另一篇文章。"])):
        (tmp_path / f"{name}.txt").write_text("\n".join(own), "utf-8")
    held, reading = Corpus(str(tmp_path / "test.txt")), Reading()
    learned = Corpus(str(tmp_path / "corpus.txt"), apart=held.all_keys())
    assert list(learned.learned(reading)) == texts[4:] and len(list(held.held())) == 5
    assert reading.told() == [f"4 {SHARED}."]
    assert standing_in([texts[3], f" {texts[7]}", "别的"], texts) == 2


def test_what_is_held_out_is_halved_by_documents(processor: Callable[[str], Any]) -> None:
    shelf = in_memory(CORPUS["en"], processor("bert"))
    first, second = halved(shelf)
    assert len(first) + len(second) == len(shelf) and abs(len(first.ids) - len(second.ids)) < 40
    pieces = [tuple(side.ids[a:b]) for side in (first, second) for a, b in zip(side.starts, side.ends, strict=True)]
    assert set(pieces) == {tuple(shelf.ids[a:b]) for a, b in zip(shelf.starts, shelf.ends, strict=True)}
    one = in_memory(CORPUS["en"][:1], processor("bert"))
    parts = halved(one)
    assert np.array_equal(np.concatenate([part.ids for part in parts]), one.ids) and all(len(p.ids) for p in parts)
    assert parts[1].marks[0] & SENTENCE


def test_rows_are_full_and_lose_nothing() -> None:
    sizes = np.random.default_rng(3).integers(1, 200, size=80)
    ends = np.cumsum(sizes)
    pieces, bounds = packed(np.concatenate([[0], ends[:-1]]), ends, room=64, around=2)
    rows = [pieces[a:b] for a, b in zip(bounds[:-1], bounds[1:], strict=True)]
    lengths = np.array([sum(end - start + 2 for start, end in row) for row in rows])
    assert lengths.max() <= 64 and lengths[:-1].mean() > 0.95 * 64
    seen = np.zeros(ends[-1], dtype=int)
    for start, end in pieces:
        seen[start:end] += 1
    assert seen.max() == 1 and seen.mean() > 0.97


def test_short_documents_are_kept_whole() -> None:
    for size in (1, 6, 7, 12):
        ends = np.arange(size, size * 501, size)
        pieces, bounds = packed(ends - size, ends, room=64, around=2)
        kept = int((pieces[:, 1] - pieces[:, 0]).sum())
        assert kept == ends[-1] if size < LEAST else kept > 0.9 * ends[-1], size
        assert len(bounds) - 1 <= 500 * (size + 2) / (64 - LEAST) + 1
    pieces, _ = packed(np.array([0]), np.array([20]), room=8, around=2)  # no room for LEAST: still an end
    assert pieces.tolist() == [[0, 6], [6, 12], [12, 18]]


def test_what_no_row_has_is_counted(processor: Callable[[str], Any]) -> None:
    around = Around.of(processor("bert"))
    shelf = in_memory(["good" * 5], processor("bert"))
    rows = TokenRows(shelf, around, max_length=18 + len(around), seed=3)
    assert (len(shelf.ids), rows.lengths.tolist(), rows.left_out) == (20, [18 + len(around)], 2), shelf.ids
    assert TokenRows(shelf, around, max_length=18 + len(around), seed=3, packed=False).left_out == 0


def test_nothing_is_asked_about_special_tokens_of_a_text(processor: Callable[[str], Any]) -> None:
    made = processor("bert")
    shelf = in_memory(["the room [MASK] was [SEP] clean \u2603 [UNK]"], made)
    assert not {made.mask_token_id, made.sep_token_id} & set(shelf.ids.tolist()), "they are text there"
    unknown = shelf.ids == made.unk_token_id
    assert unknown.any()
    rows = MaskedLM(ratio=0.9).drawn(shelf, made, max_length=48, seed=3)
    assert np.array_equal(rows[0]["open"][1:-1], ~unknown)
    assert made("[MASK]", add_special_tokens=False)["input_ids"] == [made.mask_token_id], "elsewhere it is one"


def test_no_document_sees_another() -> None:
    found = apart([[3, 2], [4]], width=5, first_position=2)
    mask = found["attention_mask"]
    assert found["position_ids"].tolist() == [[2, 3, 4, 2, 3], [2, 3, 4, 5, 1]]
    assert (mask[0, 0, :3, 3:] == APART).all() and (mask[0, 0, :3, :3] == 0).all() and mask[1, 0, 0, 4] == APART
    ahead = apart([[3, 2], [4]], width=5, first_position=2, causal=True)["attention_mask"]
    assert np.array_equal(ahead, np.where(np.tril(np.ones((5, 5), dtype=bool)), mask, np.float32(APART)))


def test_a_row_follows_from_its_epoch_and_place(processor: Callable[[str], Any]) -> None:
    shelf = in_memory(CORPUS["en"], processor("bert"))
    rows = TokenRows(shelf, Around.of(processor("bert")), max_length=48, seed=3)
    assert [len(rows[i]["input_ids"]) for i in range(len(rows))] == list(rows.lengths)
    first = rows[2]
    rows.epoch = 1
    assert rows[2]["draw"] != first["draw"] and np.array_equal(rows[2]["input_ids"], first["input_ids"])


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ({"title": "A day", "raw_content": "The whole text of the page. " * 4}, "raw_content"),
        ({"标题": "新闻", "全文": "这是一篇文章的全部文字。" * 4}, "全文"),
        ({"question": "Who?", "context": "A long passage in which it stands. " * 4}, "context"),
        ({"text": "Short.", "url": "https://example.org/" + "a" * 90, "meta": "m" * 90}, "text"),
        ({"title": "A day", "paragraphs": ["The first of them.", "The second of them."]}, "paragraphs"),
    ],
)
def test_the_column_of_whole_documents_is_read_and_told(row: dict[str, Any], column: str, tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text(json.dumps(row, ensure_ascii=False), "utf-8")
    reading, value = Reading(), row[column]
    texts = list(Corpus(str(tmp_path / "corpus.jsonl")).learned(reading))
    assert texts == ["\n".join(value) if isinstance(value, list) else value.strip()]
    assert f'"{column}" is read' in reading.told()[0]


def test_a_column_of_no_texts_is_refused(tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text('{"text": {"a": "b"}, "n": 1}', "utf-8")
    with pytest.raises(DataError, match="holds no text"):
        list(Corpus(str(tmp_path / "corpus.jsonl"), "text").learned())
