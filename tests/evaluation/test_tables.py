"""Tables and examples against scikit-learn and by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from tunesmith.evaluation import tables
from tunesmith.evaluation.examples import flips, worst_errors

from .conftest import multi_label, regression, single_label

NAMES = ["a", "b", "c", "d"]


def test_per_class_is_that_of_scikit_learn() -> None:
    e = single_label()
    expected = precision_recall_fscore_support(e["label"], e["predicted"], labels=range(4))
    for i, row in enumerate(tables.per_class(e, NAMES, resamples=100)):
        got = [row[key] for key in ("precision", "recall", "f1", "support")]
        assert got == pytest.approx([column[i] for column in expected])
        assert row["name"] == NAMES[i] and row["f1_low"] <= row["f1"] <= row["f1_high"]


def test_a_class_without_rows_has_no_recall() -> None:
    e = {"label": np.zeros(3, int), "predicted": np.zeros(3, int), "probabilities": np.eye(2)[[0, 0, 0]]}
    row = tables.per_class(e, ["a", "b"], resamples=100)[1]
    assert (row["precision"], row["recall"], row["f1"], row["support"]) == (None, None, None, 0)


def test_confusion_counts_and_its_largest_cells() -> None:
    e = {"label": np.array([0, 0, 0, 1, 1]), "predicted": np.array([1, 1, 0, 0, 1])}
    found = tables.confusion(e, ["a", "b"])
    assert found is not None and found["matrix"] == [[1, 2], [1, 1]]
    assert found["top"][0] == {"true": "a", "predicted": "b", "count": 2, "share": pytest.approx(2 / 3)}
    many = tables.confusion(single_label(k=30), [f"class {i}" for i in range(30)])
    assert many is not None and many["matrix"] is None and many["top"]
    assert tables.confusion(multi_label(), list("abcde")) is None


def test_reliability_bins_give_the_calibration_error() -> None:
    from tunesmith.evaluation.metrics import METRICS

    for e in (single_label(), multi_label()):
        bins = tables.reliability(e) or []
        total = sum(b["count"] for b in bins)
        error = sum(b["count"] * abs(b["confidence"] - b["accuracy"]) for b in bins) / total
        assert error == pytest.approx(METRICS.make("ece")(e))
    assert tables.reliability(regression()) is None


def test_flips_are_the_rows_that_changed(rows: list[dict[str, Any]]) -> None:
    before, after = single_label(skill=0.5, seed=1), single_label(skill=3.0, seed=2)
    was, now = before["label"] == before["predicted"], after["label"] == after["predicted"]
    found = flips(before, after, rows, NAMES, limit=7)
    assert found["fixed"]["count"] == (now & ~was).sum() and found["broken"]["count"] == (was & ~now).sum()
    shown = found["fixed"]["examples"]
    assert len(shown) == 7 and all(x["true"] == x["predicted"] != x["before"] for x in shown)
    assert [x["confidence"] for x in shown] == sorted((x["confidence"] for x in shown), reverse=True)


def test_worst_errors_are_the_surest_wrong_ones(rows: list[dict[str, Any]]) -> None:
    e = single_label(skill=1.0)
    found = worst_errors(e, rows, NAMES, limit=5)
    wrong = e["label"] != e["predicted"]
    assert found[0]["confidence"] == pytest.approx(e["probabilities"].max(axis=1)[wrong].max())
    assert all(x["true"] != x["predicted"] for x in found)


def test_worst_errors_of_numbers_and_of_sets(rows: list[dict[str, Any]]) -> None:
    e = regression()
    assert abs(worst_errors(e, rows, [])[0]["residual"]) == np.abs(e["predicted_value"] - e["value"]).max()
    first = worst_errors(multi_label(), rows, list("abcde"))[0]
    assert first["true"] != first["predicted"] and isinstance(first["true"], list) and first["confidence"] >= 0.5


def test_long_texts_and_pairs_are_kept_readable() -> None:
    e = single_label(n=5, skill=-9)
    found = worst_errors(e, [{"text": "长" * 5000, "text_pair": "b"}] * 5, NAMES)
    assert found[0]["text_pair"] == "b" and len(found[0]["text"]) < 700 and found[0]["text"].endswith("…")
