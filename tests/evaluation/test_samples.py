"""Written texts in a report: rows evenly spread, both sides, nothing that is markup."""

from __future__ import annotations

import numpy as np

from tunesmith.evaluation.html import render
from tunesmith.evaluation.report import build_report
from tunesmith.evaluation.samples import written_samples

ROWS = [
    {"messages": [{"role": "user", "content": f"第{i}问 <b>"}, {"role": "assistant", "content": "x"}]}
    for i in range(50)
]


def evidence(word: str) -> dict[str, np.ndarray]:
    written = np.array([f"{word} {i} <i>" for i in range(50)], dtype=object)
    expected = np.array([f"right {i}" for i in range(50)], dtype=object)
    return {"written": written, "expected": expected, "exact_match": np.zeros(50)}


def test_rows_are_evenly_spread_and_have_both_sides() -> None:
    found = written_samples({"after": evidence("new"), "before": evidence("old")}, ROWS, limit=5)
    assert [one["row"] for one in found] == [0, 12, 24, 36, 49]
    assert found[1] == {
        "row": 12,
        "asked": "user: 第12问 <b>",
        "expected": "right 12",
        "written": {"after": "new 12 <i>", "before": "old 12 <i>"},
    }
    assert written_samples({"after": {"hit": np.zeros(50)}}, ROWS) == []


def test_long_texts_are_cut() -> None:
    long = {**evidence("new"), "written": np.array(["a" * 5000] * 50, dtype=object)}
    assert len(written_samples({"after": long}, ROWS)[0]["written"]["after"]) < 700


def test_the_page_shows_them_escaped() -> None:
    report = build_report(
        task_name="dialogue", class_names=[], metric_names=["exact_match"], rows=ROWS, resamples=100,
        evidences={"after": evidence("new"), "before": evidence("old")},
    )  # fmt: skip
    page = render(report)
    assert len(report["samples"]) == 20 and "Written texts" in page
    assert "new 49 &lt;i&gt;" in page and "old 49 &lt;i&gt;" in page
    assert "第49问 &lt;b&gt;" in page and "<i> " not in page
