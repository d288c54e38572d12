"""A task whose evidence is not known here still gets figures, comparison and a page."""

from __future__ import annotations

import numpy as np
import pytest

from tunesmith.core.contracts import Evidence, Metric
from tunesmith.evaluation import bootstrap
from tunesmith.evaluation.html import render
from tunesmith.evaluation.metrics import METRICS
from tunesmith.evaluation.report import build_report


class Overlap(Metric):
    name, summary = "overlap", "share of words found"

    def __call__(self, evidence: Evidence) -> float:
        return float(evidence["found"].sum() / evidence["words"].sum())


def test_a_foreign_task_and_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    class Table(dict[str, str]):
        def make(self, name: str) -> Metric:
            return Overlap()

    monkeypatch.setattr(bootstrap, "METRICS", Table({"overlap": ""}))
    assert "overlap" not in METRICS
    words = np.full(50, 10)
    report = build_report(
        task_name="summarisation",
        class_names=[],
        metric_names=["overlap"],
        rows=[{"text": "a"}] * 50,
        evidences={"after": {"found": words - 2, "words": words}, "before": {"found": words - 8, "words": words}},
        resamples=100,
    )
    assert report["metrics"]["overlap"]["value"] == 0.8
    assert report["comparisons"]["before"]["overlap"]["verdict"] == "better"
    assert report["flips"] is None and report["per_class"] is None
    assert "overlap" in render(report)
