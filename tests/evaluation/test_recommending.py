"""Figures of lists, and the baselines that a recommender must beat."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tunesmith.evaluation.baselines.recommending import Bm25, ItemKnn, Popular
from tunesmith.evaluation.bootstrap import figures
from tunesmith.evaluation.metrics import METRICS
from tunesmith.tasks.recommendation import Recommendation


class Table:
    """Four items, of which nobody took the last."""

    ids = ("tea", "cup", "rope", "new")
    texts = ("green tea", "tea cup", "long rope", "green rope")
    columns: dict[str, list[Any]] = {"kind": ["drink", "drink", "tool", "tool"]}  # noqa: RUF012


@pytest.fixture
def task() -> Recommendation:
    made = Recommendation()
    table = Table()
    table.ids, table.texts = list(Table.ids), list(Table.texts)  # type: ignore[assignment]
    made.furnish({"items": table})
    made.learn(LOG)
    return made


LOG = [
    {"user": user, "item": item, "time": float(k)}
    for user, items in {"a": ("tea", "cup"), "b": ("tea", "cup"), "c": ("tea", "rope"), "d": ("rope",)}.items()
    for k, item in enumerate(items)
]


def listed(*items: str) -> dict[str, Any]:
    return {"items": [{"item": item, "score": 0.5} for item in items]}


def test_figures_of_lists(task: Recommendation) -> None:
    rows = [{"user": "a", "item": "rope"}, {"user": "d", "item": "new"}, {"history": [], "item": "tea"}]
    evidence = task.evidence(rows, [listed("rope", "new"), listed("tea", "cup"), listed("cup", "tea")])
    assert evidence["rank"].tolist() == [1, np.inf, 2] and evidence["cold"].tolist() == [False, True, False]
    found = {name: float(METRICS.make(name)(evidence)) for name in Recommendation.metrics}
    assert found["hit_rate_at_10"] == pytest.approx(2 / 3) and found["mrr"] == pytest.approx(0.5)
    assert found["cold_hit_rate_at_10"] == 0 and found["coverage_at_10"] == 1
    assert found["diversity_at_10"] == 0, "both of each list are of one kind"
    lifts = [np.log2(((2 + 1) + 1) / 2 / ((3 + 1 + 2 + 1) / 2)), np.log2((4 + 3) / 2 / 3)]
    assert found["popularity_bias"] == pytest.approx(np.mean(lifts)), "of the two rows with a history"
    assert figures(evidence, ["ndcg_at_10"], resamples=100)["ndcg_at_10"].low >= 0
    assert np.isnan(figures(evidence, ["coverage_at_10"])["coverage_at_10"].low), "a resample has fewer different rows"


def test_an_empty_list_is_no_hit(task: Recommendation) -> None:
    evidence = task.evidence([{"user": "a", "item": "rope"}], [listed()])
    assert evidence["rank"][0] == np.inf and np.isnan(METRICS.make("diversity_at_10")(evidence))


@pytest.mark.parametrize(
    ("made", "history", "first"), [(Popular, ["rope"], "tea"), (ItemKnn, ["cup"], "tea"), (Bm25, ["rope"], "new")]
)
def test_baselines_answer_as_the_task_does(task: Recommendation, made: Any, history: list[str], first: str) -> None:
    baseline = made(task, "en")
    baseline.fit(LOG)
    rows = [{"history": [{"item": item} for item in history]}, {"history": [], "candidates": ["rope"]}]
    found, among = baseline.predict(rows)
    assert found["items"][0]["item"] == first and history[0] not in [one["item"] for one in found["items"]]
    assert [one["item"] for one in among["items"]] == ["rope"]
