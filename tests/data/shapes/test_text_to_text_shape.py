"""Files of summaries and translations: which columns, which task, which rows cannot be used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tunesmith.bundle.rows import rows_in_shape
from tunesmith.core.errors import DataError
from tunesmith.core.recipe import DataBlock
from tunesmith.core.registry import family
from tunesmith.data.prepare import prepare
from tunesmith.data.read import read
from tunesmith.data.schema import guess
from tunesmith.data.shapes import SHAPES
from tunesmith.data.shapes.shape import RowProblem
from tunesmith.data.shapes.text_to_text import TranslationShape

LONG = {
    "en": "Ann said that number {} is the best of all the houses in this street, since it has a garden and a view.",
    "zh": "安说第{}号是这条街上最好的房子，因为它有一个花园，还能看到很美的风景，而且价钱也不贵，离学校很近。",
}
SHORT = {"en": "Ann likes house {}.", "zh": "安喜欢{}号房。"}
SAID = {"en": "The dog number {} is on the beach.", "de": "Der Hund Nummer {} ist am Strand.", "zh": "{}号狗在海滩上。"}


def made(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def block(**values: Any) -> DataBlock:
    """These rows are all alike."""
    return DataBlock.model_validate({**values, "split": {"near_duplicates": False}})


def rows(columns: dict[str, str], count: int = 40, **more: Any) -> list[dict[str, Any]]:
    return [{**{name: text.format(i) for name, text in columns.items()}, **more} for i in range(count)]


@pytest.mark.parametrize(
    ("columns", "task", "taken"),
    [
        ({"dialogue": LONG["en"], "summary": SHORT["en"]}, "summarization", ("dialogue", "summary")),
        ({"summary": SHORT["en"], "article": LONG["en"]}, "summarization", ("article", "summary")),
        ({"article": LONG["en"], "highlights": SHORT["en"]}, "summarization", ("article", "highlights")),
        ({"原文": LONG["zh"], "摘要": SHORT["zh"]}, "summarization", ("原文", "摘要")),
        ({"abstract": LONG["zh"], "title": SHORT["zh"]}, "summarization", ("abstract", "title")),
        ({"article": LONG["en"], "abstract": SHORT["en"]}, "summarization", ("article", "abstract")),
        ({"source": LONG["en"], "target": SHORT["en"]}, "summarization", ("source", "target")),
        ({"source": SAID["en"], "target": SAID["de"]}, "translation", ("source", "target")),
        ({"src": SAID["zh"], "tgt": SAID["en"]}, "translation", ("src", "tgt")),
        ({"en": SAID["en"], "de": SAID["de"]}, "translation", ("en", "de")),
        ({"英文": SAID["en"], "中文": SAID["zh"]}, "translation", ("英文", "中文")),
        ({"Chinese": SAID["zh"], "English": SAID["en"]}, "translation", ("Chinese", "English")),
        ({"text_en": SAID["en"], "text_zh": SAID["zh"]}, "translation", ("text_en", "text_zh")),
        ({"原文": SAID["en"], "译文": SAID["zh"]}, "translation", ("原文", "译文")),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_guessed_by_names_and_languages(
    columns: dict[str, str], task: str, taken: tuple[str, str], tmp_path: Path
) -> None:
    found = guess(read(str(made(tmp_path / "a.jsonl", rows(columns)))))
    assert (found.task, found.columns) == (task, {"text": taken[0], "target": taken[1]}), found.why


@pytest.mark.parametrize(
    ("columns", "label"),
    [
        ({"content": LONG["en"], "title": SHORT["en"]}, "category"),
        ({"标题": SHORT["zh"], "正文": LONG["zh"]}, "标签"),
        ({"headline": SHORT["en"], "article": LONG["en"]}, "category"),
        ({"Summary": SHORT["en"], "Text": LONG["en"]}, "Score"),
        ({"内容": LONG["zh"], "标题": SHORT["zh"]}, "类别"),
        ({"text": SAID["en"], "target": SAID["en"]}, "label"),
    ],
)
def test_texts_with_a_label_are_to_be_classified(columns: dict[str, str], label: str, tmp_path: Path) -> None:
    made_rows = [{**row, label: "ab"[i % 2]} for i, row in enumerate(rows(columns))]
    assert guess(read(str(made(tmp_path / "a.jsonl", made_rows)))).task == "text-classification"


def test_a_title_beside_flags_is_read_and_a_dialogue_with_a_topic_is_summed_up(tmp_path: Path) -> None:
    flags = [
        {**row, **{name: (i + k) % 3 // 2 for k, name in enumerate(("Physics", "Statistics", "Finance"))}}
        for i, row in enumerate(rows({"TITLE": SHORT["en"], "ABSTRACT": LONG["en"]}))
    ]
    found = guess(read(str(made(tmp_path / "a.jsonl", flags))))
    assert found.columns["labels"] == ["Physics", "Statistics", "Finance"]
    topics = [
        {**row, "topic": "ab"[i % 2]} for i, row in enumerate(rows({"dialogue": LONG["en"], "summary": SHORT["en"]}))
    ]
    found = guess(read(str(made(tmp_path / "b.jsonl", topics))))
    assert found.task == "summarization"
    assert any("data.label=topic" in why for why in found.why)


def test_a_third_language_is_told_of(tmp_path: Path) -> None:
    found = guess(read(str(made(tmp_path / "a.jsonl", rows(SAID)))))
    assert found.columns == {"text": "en", "target": "de"}
    assert any("data.target=zh" in why for why in found.why)


def test_both_sides_in_one_column(tmp_path: Path) -> None:
    both = [{"id": str(i), "translation": {k: SAID[k].format(i) for k in ("zh", "en")}} for i in range(40)]
    path = made(tmp_path / "a.jsonl", both)
    prepared = prepare(block(path=str(path)))
    assert prepared.task == "translation"
    assert {row["text"][-5:] for row in prepared.train} == {"狗在海滩上。"[-5:]}
    assert all(row["target"].startswith("The dog") for row in prepared.train)


def test_all_rows_are_translated_in_the_first_ones_direction() -> None:
    shape = TranslationShape()
    cells = [{"en": "one", "zh": "一"}, {"zh": "二", "en": "two"}, {"de": "drei", "zh": "三"}]
    read = [next(shape.read({"translation": both}, target=True)) for both in cells[:2]]
    assert read == [{"text": "one", "target": "一"}, {"text": "two", "target": "二"}]
    with pytest.raises(RowProblem, match='no "en"'):
        next(shape.read({"translation": cells[2]}, target=True))


def of_two(first: str, second: str, start: int = 0) -> list[dict[str, Any]]:
    return [{"translation": {k: SAID[k].format(i) for k in (first, second)}} for i in range(start, start + 40)]


@pytest.mark.parametrize(
    ("languages", "chinese"), [((None, None), "text"), (("en", None), "target"), ((None, "en"), "text")]
)
def test_a_test_file_goes_the_same_way_whatever_the_order_of_its_keys(
    tmp_path: Path, languages: tuple[str | None, str | None], chinese: str
) -> None:
    path, other = made(tmp_path / "a.jsonl", of_two("zh", "en")), made(tmp_path / "b.jsonl", of_two("en", "zh", 60))
    prepared = prepare(block(path=str(path), test=str(other)), languages=languages)
    for rows_of in (prepared.train, prepared.test):
        assert all(("狗" in row["text"]) == (chinese == "text") for row in rows_of)


def test_told_languages_choose_among_columns_that_are_called_so(tmp_path: Path) -> None:
    path = str(made(tmp_path / "a.jsonl", rows(SAID)))
    prepared = prepare(block(path=path), "translation", ("zh", "en"))
    assert (prepared.columns["text"], prepared.columns["target"]) == ("zh", "en")
    assert any('"zh" and "en", as task.source_language' in why for why in prepared.why)
    given = prepare(block(path=path, columns={"text": "en", "target": "zh"}), "translation", ("zh", "en"))
    assert given.columns["text"] == "en", "what the user gives counts; the task refuses it by its script"


def test_a_bundle_reads_rows_in_the_direction_that_it_learned() -> None:
    task: Any = family("tasks").make("translation", {})
    task.state = {"source_language": "zh", "target_language": "en"}
    assert rows_in_shape(task, {"translation": {"en": "one", "zh": "一"}}) == [{"text": "一"}]


@pytest.mark.parametrize("task", ["summarization", "translation"])
@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        ({"text": "一句话", "target": " "}, "the target is empty"),
        ({"text": "a text", "target": None}, "the target is empty"),
        ({"text": "", "target": "a"}, "the text is empty"),
        ({"text": "a text", "references": []}, "the target is empty"),
    ],
)
def test_what_cannot_be_learned_from(task: str, cells: dict[str, Any], problem: str) -> None:
    with pytest.raises(RowProblem, match=problem):
        list(SHAPES.make(task).read(cells, target=True))


def test_a_row_to_predict_needs_no_target() -> None:
    assert list(SHAPES.make("translation").read({"text": "一句话"}, target=False)) == [{"text": "一句话"}]


def test_empty_targets_are_set_aside_and_told(tmp_path: Path) -> None:
    some = rows({"dialogue": LONG["en"], "summary": SHORT["en"]}, 60)
    some[7]["summary"] = ""
    prepared = prepare(block(path=str(made(tmp_path / "a.jsonl", some))))
    assert any("1 broken row left out, the first is row 8: the target is empty" in note for note in prepared.notes)
    assert len(prepared.source.broken) == 1
    with pytest.raises(DataError, match="the target is empty"):
        columns = {"text": "dialogue", "target": "summary"}
        path = made(tmp_path / "b.jsonl", [{**row, "summary": ""} for row in some])
        prepare(block(path=str(path), columns=columns), "summarization")


def test_numbered_references_of_a_test_file(tmp_path: Path) -> None:
    train = made(tmp_path / "train.jsonl", rows({"dialogue": LONG["en"], "summary": SHORT["en"]}))
    columns = {"dialogue": LONG["en"] + " New", "summary1": SHORT["en"], "summary2": "House {} it is."}
    test = made(tmp_path / "test.jsonl", rows(columns, 5))
    prepared = prepare(block(path=str(train), test=str(test)))
    assert prepared.test[3]["references"] == ["Ann likes house 3.", "House 3 it is."]
    assert prepared.test[3]["target"] == "Ann likes house 3."


def test_several_references_in_a_list(tmp_path: Path) -> None:
    some = [
        {**row, "references": [row["target"], "另一个"]} for row in rows({"text": LONG["zh"], "target": SHORT["zh"]})
    ]
    prepared = prepare(block(path=str(made(tmp_path / "a.jsonl", some)), columns={"references": "references"}),
                       "summarization")  # fmt: skip
    assert prepared.train[0]["references"][1] == "另一个"


def test_a_torn_first_translation_loses_itself_alone() -> None:
    shape = TranslationShape()
    with pytest.raises(RowProblem, match="one side"):
        list(shape.read({"translation": {"en": "only"}}, target=True))
    assert list(shape.read({"translation": {"en": "a", "de": "b"}}, target=True)) == [{"text": "a", "target": "b"}]
