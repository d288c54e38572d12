"""Labels by the nearest name, and the ladder's pick."""

from __future__ import annotations

import numpy as np
import pytest

from tunesmith.search.ladder import Rung, cheapest, to_tune
from tunesmith.search.zero_shot import label_text, speaks, zero_shot


def test_nearest_name() -> None:
    names = np.array([[1.0, 0.0], [0.0, 2.0]])
    found = zero_shot(np.array([[3.0, 0.1], [0.1, 0.5], [1.0, 1.0]]), names, ["运动", "music"])
    assert [p["label"] for p in found][:2] == ["运动", "music"]
    assert found[2]["scores"] == pytest.approx({"运动": 0.5, "music": 0.5}) and found[0]["score"] > 0.99
    assert all(sum(p["scores"].values()) == pytest.approx(1) for p in found)


def test_label_names() -> None:
    assert label_text("card_payment-fee") == "card payment fee" and label_text("体育/足球") == "体育 足球"
    assert (
        speaks(["sports", "体育"]) and not speaks(["0", "1", "2"]) and not speaks(["A", "B"]) and speaks(["好", "坏"])
    )


def rung(key: str, seconds: float, value: float, beside: str, tunable: bool = True) -> Rung:
    return Rung(key, key, {"method.name": key} if tunable else None, 0.0, seconds, value, beside_best=beside)


def test_the_cheapest_as_good_as_the_best() -> None:
    tfidf = rung("tfidf", 1, 0.80, "worse", False)
    head, lora, full = (
        rung("head", 10, 0.89, "not distinguishable"),
        rung("lora", 90, 0.9, "best"),
        rung("full", 99, 0.88, "worse"),
    )
    skipped = Rung("few_shot", "few-shot", {}, skipped="it would take about 2 h")
    rungs = [tfidf, head, skipped, lora, full]
    assert cheapest(rungs) is head and to_tune(rungs) is head
    assert cheapest([]) is None and to_tune([skipped]) is None


def test_where_no_bundle_is_as_good() -> None:
    rungs = [rung("tfidf", 1, 0.95, "best", False), rung("head", 10, 0.7, "worse"), rung("full", 99, 0.8, "worse")]
    best = to_tune(rungs)
    assert cheapest(rungs) is rungs[0] and best is rungs[2]
    lowest = to_tune(rungs, higher_is_better=False)
    assert lowest is rungs[1]
