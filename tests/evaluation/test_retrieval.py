"""Metrics of a place, and TF-IDF cosine as a baseline in both languages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tunesmith.core.errors import RecipeError
from tunesmith.evaluation.baselines.measured import measured, title
from tunesmith.evaluation.bootstrap import figures
from tunesmith.tasks.text_embedding import TextEmbedding

RANKS = {"rank": np.array([1.0, 2.0, 11.0, 1.5])}
WORDS = {
    "en": ["parcel", "payment", "password", "refund", "invoice", "size", "colour", "garden"],
    "zh": ["包裹", "付款", "密码", "退款", "发票", "尺码", "颜色", "花园"],
}


def pairs(language: str) -> list[dict[str, Any]]:
    asked, said = {"en": ("Where is the {}?", "All about your {} here."), "zh": ("{}在哪里？", "关于{}的说明。")}[
        language
    ]
    return [{"text": asked.format(word), "text_pair": said.format(word)} for word in WORDS[language]]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mrr", (1 + 1 / 2 + 1 / 11 + 1 / 1.5) / 4),
        ("recall_at_1", 1 / 4),
        ("recall_at_10", 3 / 4),
        ("ndcg_at_10", (1 + 1 / np.log2(3) + 1 / np.log2(2.5)) / 4),
    ],
)
def test_the_metrics_of_a_place(name: str, value: float) -> None:
    figure = figures(RANKS, [name])[name]
    assert figure.value == pytest.approx(value)
    assert figure.low < value < figure.high
    with pytest.raises(RecipeError, match=name):
        figures({"label": np.zeros(2, int), "predicted": np.zeros(2, int)}, [name])


@pytest.mark.parametrize("language", ["en", "zh"])
def test_shared_words_find_the_answer(language: str) -> None:
    rows = pairs(language)
    task = TextEmbedding()
    task.learn(rows)
    found = measured("tfidf_retrieval", task, rows[:4], rows, language)
    assert figures(found.evidence, ["mrr"])["mrr"].value > 0.9
    assert found.evidence["hit"].all() and list(found.evidence["predicted_as"]) == [row["text_pair"] for row in rows]
    assert title("tfidf_retrieval") == "TF-IDF cosine"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_scored_pairs_are_compared_by_shared_words(language: str) -> None:
    rows = pairs(language)
    shuffled = [{**row, "text_pair": rows[i - 1]["text_pair"], "score": 1.0} for i, row in enumerate(rows)]
    both = [{**row, "score": 5.0} for row in rows] + shuffled
    task = TextEmbedding()
    task.learn(both)
    found = measured("tfidf_retrieval", task, both, both, language)
    assert figures(found.evidence, task.metrics)["spearman"].value > 0.8
    assert set(found.evidence["value"]) == {0.0, 1.0}
