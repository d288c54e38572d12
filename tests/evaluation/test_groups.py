"""Groups of rows compared: figures by hand, the table, and what is too small to compare."""

from __future__ import annotations

import numpy as np
import pytest

from tunesmith.evaluation.bootstrap import figures
from tunesmith.evaluation.groups import GAPS, group_codes, per_group, with_groups
from tunesmith.evaluation.html import render
from tunesmith.evaluation.metrics import METRICS
from tunesmith.evaluation.report import build_report

from .conftest import regression, single_label

EVIDENCE = {
    "label": np.array([0, 0, 1, 1, 0, 0, 1, 1, 1]),
    "predicted": np.array([0, 0, 1, 0, 0, 1, 1, 1, 0]),
    "group": np.array([0, 0, 0, 0, 1, 1, 1, 1, -1]),
}


def test_gaps_by_hand() -> None:
    # class 0 is given to 3 of 4 and to 1 of 4; of class 0 2 of 2 and 1 of 2 are found, of class 1 1 of 2 and 2 of 2
    assert METRICS.make("parity_gap")(EVIDENCE) == pytest.approx(0.5)
    assert METRICS.make("odds_gap")(EVIDENCE) == pytest.approx(0.5)
    equal = {**EVIDENCE, "predicted": EVIDENCE["label"]}
    assert METRICS.make("parity_gap")(equal) == 0 and METRICS.make("odds_gap")(equal) == 0


def test_one_group_has_no_gap() -> None:
    alone = {**EVIDENCE, "group": np.zeros(9, dtype=int)}
    none = {**EVIDENCE, "group": np.full(9, -1)}
    for evidence in (alone, none):
        assert all(np.isnan(METRICS.make(name)(evidence)) for name in GAPS)


def test_an_interval_holds_the_gap() -> None:
    found = figures(single_label(), list(GAPS), resamples=100)
    assert all(one.low <= one.value <= one.high and one.low < one.high for one in found.values())


def test_small_groups_are_left_out_and_named() -> None:
    rows = [{"group": "men"}] * 10 + [{"group": ["women"]}] * 12 + [{"group": "x"}] * 2 + [{"group": None}]
    codes, names, notes = group_codes(rows)
    assert codes is not None and codes.tolist() == [0] * 10 + [1] * 12 + [-1] * 3 and names == ["men", "women"]
    assert notes == ["Groups of fewer than 10 test rows are not compared: x (2)."]
    assert group_codes(rows[:12])[0] is None and group_codes([{}] * 99)[0] is None
    assert "group" not in with_groups({"after": regression(25)}, codes)["after"]


def test_the_report_shows_the_gap_beside_the_score() -> None:
    after, before = single_label(seed=1), single_label(seed=2, skill=0.5)
    for evidence in (after, before):
        del evidence["group"]
    rows = [{"text": f"row {i}", "label": "abcd"[c], "group": "<men>" if i % 3 else "女"} for i, c in
            enumerate(after["label"])]  # fmt: skip
    report = build_report(
        task_name="text-classification", class_names=list("abcd"), metric_names=["accuracy"], rows=rows,
        evidences={"after": after, "before": before}, resamples=100,
    )  # fmt: skip
    assert set(report["metrics"]) == {"accuracy", *GAPS} == set(report["comparisons"]["before"])
    assert [one["group"] for one in report["groups"]] == ["<men>", "女"]
    mine = np.arange(300) % 3 == 0
    women = report["groups"][1]
    assert women["rows"] == 100 and women["accuracy"] == pytest.approx(
        (after["label"] == after["predicted"])[mine].mean()
    )
    assert women["given"]["b"] == pytest.approx((after["predicted"][mine] == 1).mean())
    page = render(report)
    assert "&lt;men&gt;" in page and "parity_gap" in page
    assert per_group({**after, "group": np.zeros(300, dtype=int)}, ["all"], list("abcd"))[0]["rows"] == 300
