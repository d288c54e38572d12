"""How files spell pairs, triplets and scored pairs; what a broken row says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tunesmith.data.rows import Rows
from tunesmith.data.schema import guess
from tunesmith.data.shapes.settle import in_shape
from tunesmith.data.shapes.shape import RowProblem
from tunesmith.data.shapes.text_embedding import TextEmbeddingShape

EN = [f"How do I return order {i}?" for i in range(30)]
ZH = [f"第{i}号订单怎么退货？" for i in range(30)]
OTHER = [f"Refunds of item {i} take two weeks." for i in range(30)]


def file(**columns: list[Any]) -> Rows:
    return Rows.of([dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)])


def one(**cells: Any) -> dict[str, Any]:
    (row,) = TextEmbeddingShape().read(cells, target=True)
    return row


@pytest.mark.parametrize(
    ("first", "second", "negative"),
    [
        ("anchor", "positive", "negative"), ("query", "pos", "neg"), ("question", "positives", "hard_negatives"),
        ("锚点", "正例", "负例"), ("查询", "正样本", "负样本"),
    ],
)  # fmt: skip
def test_triplets_are_guessed_by_their_names(first: str, second: str, negative: str) -> None:
    found = guess(file(**{"id": list(range(30)), first: EN, second: OTHER, negative: ZH}))
    assert found.task == "text-embedding"
    assert found.columns == {"text": first, "positive": second, "negatives": negative}
    rows, _ = in_shape(file(**{first: EN, second: OTHER, negative: ZH}), TextEmbeddingShape(), found.columns)
    assert rows[3]["text"] == EN[3] and rows[3]["text_pair"] == OTHER[3]
    assert json.loads(rows[3]["negatives"]) == [ZH[3]]
    pairs = guess(file(**{first: EN, second: OTHER}))
    assert (pairs.task, pairs.columns) == ("text-embedding", {"text": first, "positive": second})


@pytest.mark.parametrize(
    ("first", "second", "score"),
    [("sentence1", "sentence2", "score"), ("text_a", "text_b", "similarity"), ("句子1", "句子2", "相似度")],
)
def test_two_like_texts_with_a_similarity_are_embedded_and_the_other_task_is_named(
    first: str, second: str, score: str
) -> None:
    found = guess(file(**{first: EN, second: OTHER, score: [i / 6 for i in range(30)]}))
    assert (found.task, found.columns) == ("text-embedding", {"text": first, "text_pair": second, "score": score})
    assert "task=text-regression" in " ".join(found.why)


@pytest.mark.parametrize(
    "columns",
    [
        {"premise": EN, "hypothesis": OTHER, "label": ["yes", "no"] * 15},
        {"sentence1": EN, "sentence2": OTHER, "label": ["0", "1"] * 15},
        {"text": EN, "score": [i / 6 for i in range(30)]},
        {"question": EN, "sentence": OTHER, "score": [i / 6 for i in range(30)]},
    ],
)
def test_other_pairs_stay_what_they_were(columns: dict[str, list[Any]]) -> None:
    assert guess(file(**columns)).task != "text-embedding"


def test_questions_with_answers_are_embedded_only_when_asked() -> None:
    rows = file(question=EN, answer=OTHER, url=[f"http://a/{i}" for i in range(30)])
    assert guess(rows).task != "text-embedding"
    found = guess(rows, task="text-embedding")
    shaped, columns = in_shape(rows, TextEmbeddingShape(), found.columns)
    assert {"text", "text_pair"} <= set(columns)
    assert shaped[0]["text"] == EN[0] and shaped[0]["text_pair"] == OTHER[0]


def test_a_label_of_zero_and_one_is_a_score_when_asked() -> None:
    rows = file(sentence1=EN, sentence2=OTHER, label=[0, 1] * 15)
    found = guess(rows, task="text-embedding")
    shaped, _ = in_shape(rows, TextEmbeddingShape(), found.columns)
    assert [shaped[i]["score"] for i in range(2)] == [0.0, 1.0]


def test_numbered_negatives_are_all_taken() -> None:
    found = guess(file(anchor=EN, positive=OTHER, negative_1=ZH, negative_2=ZH[::-1]))
    assert found.columns["negatives"] == ["negative_1", "negative_2"]


def test_lists_of_positives_are_rows_of_their_own() -> None:
    cells = {"query": "怎么退货", "pos": ["七天内可退", "点申请退货"], "neg": ["今天下雨", ""]}
    shape = TextEmbeddingShape()
    rows = list(shape.read(cells, target=True))
    assert [row["text_pair"] for row in rows] == cells["pos"]
    assert all(row["negatives"] == ["今天下雨"] for row in rows)
    assert shape.repaired() == {"blank negatives passed over": 1}
    as_json = {key: value if isinstance(value, str) else json.dumps(value) for key, value in cells.items()}
    assert list(TextEmbeddingShape().read(as_json, target=True)) == rows


@pytest.mark.parametrize("empty", [None, "", [], "[]"])
def test_without_negatives_a_triplet_is_a_pair(empty: Any) -> None:
    assert one(anchor="a", positive="b", negatives=empty) == {"text": "a", "text_pair": "b"}


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({"text": "a", "text_pair": ""}, "the second text .* is empty"),
        ({"text": "  ", "text_pair": "b"}, "the first text is empty"),
        ({"text": "a", "text_pair": " \n"}, "the second text .* is empty"),
        ({"text": "a"}, "no second text"),
        ({"query": "a", "pos": []}, "empty list"),
        ({"query": "a", "pos": ["b", ""]}, "the second text .* is empty"),
        ({"text": "a", "text_pair": "b", "score": "很像"}, "no number"),
        ({"text": "a", "text_pair": "b", "score": "nan"}, "no number"),
        ({"text": "a", "text_pair": "b", "score": ""}, "the score is empty"),
        ({"text": "a", "text_pair": "b", "score": 1, "negatives": ["c"]}, "one of them"),
        ({"text": "a", "text_pair": "b", "prompt": "both"}, "query or passage"),
    ],
)
def test_a_broken_row_says_why(cells: dict[str, Any], said: str) -> None:
    with pytest.raises(RowProblem, match=said):
        list(TextEmbeddingShape().read(cells, target=True))


def test_to_predict_one_text_is_enough_but_an_empty_second_one_is_not() -> None:
    shape = TextEmbeddingShape()
    assert list(shape.read({"query": "你好"}, target=False)) == [{"text": "你好"}]
    assert list(shape.read({"text": "a", "prompt": "passage"}, target=False)) == [{"text": "a", "prompt": "passage"}]
    assert list(shape.read({"anchor": "a", "positive": "b", "score": "?"}, target=False)) == [
        {"text": "a", "text_pair": "b"}
    ]
    with pytest.raises(RowProblem, match="empty"):
        list(shape.read({"text": "a", "text_pair": ""}, target=False))


@pytest.mark.parametrize("values", [(1, 0), (0.91, 0.07), ("yes", "no"), (True, False)], ids=str)
def test_positive_and_negative_may_be_classes_of_a_text(values: tuple[Any, Any]) -> None:
    """0 and 1, or probabilities, are no second texts."""
    turns = [[values[(i + k) % 3 > 0] for i in range(30)] for k in range(3)]
    found = guess(file(text=EN, positive=turns[0], negative=turns[1], neutral=turns[2]))
    assert found.task != "text-embedding"
    if values != (0.91, 0.07):
        assert found.columns == {"text": "text", "labels": ["positive", "negative", "neutral"]}
    mixed = guess(file(anchor=EN, positive=OTHER, negative=turns[0]))
    assert mixed.columns == {"text": "anchor", "positive": "positive"}, "figures are no negatives"
