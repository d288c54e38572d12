"""The report is JSON, says what is true in words, and its page is safe and stands alone."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from tunesmith.core.artefacts import Parity
from tunesmith.core.contracts import CheckResult
from tunesmith.core.errors import RecipeError
from tunesmith.evaluation.html import render
from tunesmith.evaluation.report import build_report, summary

from .conftest import multi_label, regression, single_label

HOSTILE = "<script>alert(1)</script>"
HISTORY = [
    {"step": i * 10, "loss": 2 / (i + 1), "validation": {"macro_f1": 0.5 + i / 20, "loss": 1.0}} for i in range(5)
]


def made(rows: list[dict[str, Any]], *, tfidf_skill: float = 3.0, names: list[str] | None = None) -> dict[str, Any]:
    names = names or ["a", HOSTILE, "好", "d"]
    k = len(names)
    return build_report(
        task_name="text-classification",
        class_names=names,
        metric_names=["macro_f1", "accuracy", "ece"],
        rows=rows,
        evidences={
            "after": single_label(k=k, skill=3.0, seed=1),
            "tfidf": single_label(k=k, skill=tfidf_skill, seed=2),
            "before": single_label(k=k, skill=0.0, seed=3),
        },
        seconds={"after": {"fit": 100.0, "predict": 1.0}, "tfidf": {"fit": 0.9, "predict": 0.1}},
        history=HISTORY,
        data_notes=[f"{HOSTILE} rows dropped"],
        context={"model": HOSTILE, "seconds": {"train": 3.0}, "recipe": {"data": {"path": HOSTILE}}, "flag": True},
        parity=[Parity("save and reload", 300, np.float32(1e-7), 1.0, 1e-4, True)],
        checks=[CheckResult("calibration", 0.03, verdict=HOSTILE)],
        resamples=200,
    )


def test_it_is_json_and_has_the_agreed_parts(rows: list[dict[str, Any]]) -> None:
    report = made(rows)
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    for name in ("macro_f1", "accuracy", "ece"):
        assert set(report["metrics"][name]) == {"value", "low", "high"}
        assert set(report["before"]["metrics"][name]) == {"value", "low", "high"}
    assert report["baselines"]["tfidf"]["seconds"] == {"fit": 0.9, "predict": 0.1}
    assert set(report["comparisons"]) == {"before", "tfidf"}
    assert len(report["per_class"]) == 4 and report["confusion"]["matrix"] and report["calibration"]["bins"]
    assert summary(report)["baselines"]["tfidf"] == report["baselines"]["tfidf"]["metrics"]


def test_an_equal_baseline_is_said_to_be_equal_and_cheaper(rows: list[dict[str, Any]]) -> None:
    report = made(rows, tfidf_skill=3.0)
    words = "TF-IDF + logistic regression is not distinguishable from the tuned model and 100 times cheaper."
    assert report["ladder"]["words"] == words and words in report["verdict"]
    assert "Not distinguishable from the baseline" in report["verdict"]
    assert "is better than the model before tuning" in report["verdict"]
    assert [rung["key"] for rung in report["ladder"]["rows"]][:2] == ["tfidf", "after"]


def test_a_weaker_and_a_stronger_baseline(rows: list[dict[str, Any]]) -> None:
    words = made(rows, tfidf_skill=1.0)["ladder"]["words"]
    assert words.startswith("The tuned model is better than every baseline") and "100 times the seconds" in words
    words = made(rows, tfidf_skill=6.0)["ladder"]["words"]
    assert words == "TF-IDF + logistic regression is better than the tuned model and 100 times cheaper."


def test_few_rows_and_a_changed_hand_off_are_said() -> None:
    report = build_report(
        task_name="text-classification",
        class_names=["a", "b"],
        metric_names=["accuracy"],
        rows=[{"text": "x"}] * 30,
        evidences={"after": single_label(n=30, k=2)},
        parity=[
            {"handoff": "int8", "rows": 30, "largest_gap": 2.0, "agreement": 0.8, "tolerance": 0.1, "passed": False}
        ],
        resamples=100,
    )
    assert "30 test rows are few" in report["verdict"] and "The answers changed at: int8." in report["verdict"]
    assert report["before"] is None and report["ladder"]["words"] == ""
    render(report)
    with pytest.raises(RecipeError, match='needs the evidence "after"'):
        build_report(task_name="t", class_names=[], metric_names=["accuracy"], rows=[], evidences={})


class Page(HTMLParser):
    """Every tag and the places that it would fetch from."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.fetched: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [f"{tag} {k}={v}" for k, v in attrs if k in ("src", "href", "srcset", "xlink:href", "data")]
        assert not any(k.startswith("on") for k, _ in attrs), attrs


@pytest.mark.parametrize("classes", [2, 4, 30])
def test_the_page_escapes_what_users_wrote_and_fetches_nothing(rows: list[dict[str, Any]], classes: int) -> None:
    names = [HOSTILE, '"><img src=x onerror=alert(1)>', "好", *map(str, range(40))][:classes]
    html = render(made(rows, names=names))
    page = Page(html)
    assert page.tags.count("script") == 1 and "alert(" in html and HOSTILE not in html
    assert "img" not in page.tags and page.fetched == []
    assert not re.search(r"url\(|@import|https?://", html)


def test_the_page_reads_on_any_screen_and_paper(rows: list[dict[str, Any]]) -> None:
    html = render(made(rows))
    for wanted in ("prefers-color-scheme: dark", "@media print", 'name="viewport"', 'charset="utf-8"'):
        assert wanted in html
    report = made(rows)
    assert html.count("<svg") == 5 and f"{report['metrics']['macro_f1']['value']:.3f}" in html
    assert "房间很干净" in html or report["flips"]["fixed"]["count"] > 20


def test_sets_of_labels_and_numbers_have_pages(rows: list[dict[str, Any]]) -> None:
    report = build_report(
        task_name="multi-label-classification",
        class_names=list("abcde"),
        metric_names=["micro_f1", "macro_average_precision"],
        rows=rows,
        evidences={"after": multi_label(seed=0), "before": {**multi_label(seed=0), **_blank()}},
        resamples=100,
    )
    assert report["confusion"] is None and len(report["per_class"]) == 5 and "By class" in render(report)
    mean = regression()
    mean["predicted_value"] = np.full(300, 1000.0)
    report = build_report(
        task_name="text-regression",
        class_names=[],
        metric_names=["r2", "pearson"],
        rows=rows,
        evidences={"after": regression(), "majority": mean},
        resamples=100,
    )
    assert report["baselines"]["majority"]["metrics"]["pearson"]["value"] is None
    assert report["per_class"] is None and "better than the mean" in report["verdict"]
    assert "largest residuals" in render(report)


def _blank() -> dict[str, np.ndarray]:
    return {"predicted_labels": np.zeros((300, 5), bool), "probabilities": np.full((300, 5), 0.1)}


def test_written_texts_stand_side_by_side() -> None:
    from .conftest import texts

    asked = [{"text": f"row {i} {HOSTILE}"} for i in range(300)]
    report = build_report(
        task_name="summarization", class_names=[], metric_names=["rougeL", "bleu", "perplexity", "length_ratio"],
        rows=asked, evidences={"after": texts(seed=1), "before": texts(seed=2), "lead-3": texts(seed=3)},
        titles={"lead-3": "the first three sentences"}, resamples=50,
    )  # fmt: skip
    assert report["kind"] == "text" and report["flips"] is None and report["worst_errors"] == []
    samples = report["written"]
    assert [one["row"] for one in samples["spread"]] == [0, 33, 66, 99, 132, 166, 199, 232, 265, 299]
    near = [one["nearness"] for one in samples["farthest"]]
    assert near == sorted(near) and max(near) <= min(one["nearness"] for one in samples["spread"]) + 1e-9
    assert set(samples["spread"][0]["written"]) == {"after", "before", "lead-3"}
    page = render(report)
    assert HOSTILE not in page and samples["spread"][3]["expected"] in page
    assert page.count("before tuning</h3>") == 20 and "the first three sentences</h3>" in page
