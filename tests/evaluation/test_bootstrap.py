"""Intervals hold the truth as often as they say, and resamples are real ones."""

from __future__ import annotations

import time

import numpy as np
import pytest

from tunesmith.core.contracts import Evidence, Metric
from tunesmith.core.errors import RecipeError
from tunesmith.evaluation.bootstrap import draw, figures, measure, replicates
from tunesmith.evaluation.metrics import METRICS

from .conftest import multi_label, regression, single_label


@pytest.mark.parametrize("name", list(METRICS))
def test_a_resample_by_counts_is_the_figure_of_the_repeated_rows(name: str) -> None:
    """The fast path (counts) against the plain one (rows repeated)."""
    metric = METRICS.make(name)
    counts = next(draw(300, 4, seed=3))
    for evidence in (single_label(), multi_label(), regression()):
        if not metric.fits(evidence):
            continue
        fast = metric.over(evidence)(counts)
        for row, got in zip(counts, fast, strict=True):
            picked = np.repeat(np.arange(300), row.astype(int))
            assert got == pytest.approx(metric({k: v[picked] for k, v in evidence.items()}), rel=1e-6)


def test_a_metric_from_outside_is_resampled_by_rows() -> None:
    class Share(Metric):
        name, summary = "share", "share of class 0"

        def __call__(self, evidence: Evidence) -> float:
            return float((evidence["label"] == 0).mean())

    drawn = replicates(single_label(), {"share": Share()}, resamples=50)["share"]
    assert drawn.shape == (50,) and drawn.std() > 0


def test_an_interval_of_90_percent_holds_the_truth_about_nine_times_of_ten() -> None:
    generator = np.random.default_rng(5)
    inside = 0
    for i in range(200):
        truth = (generator.random(200) < 0.7).astype(int)
        found = figures(
            {"label": truth, "predicted": np.ones(200, dtype=int)}, ["accuracy"], confidence=0.9, resamples=300, seed=i
        )["accuracy"]
        inside += found.low <= 0.7 <= found.high
    assert 0.83 <= inside / 200 <= 0.96


def test_the_standard_error_of_a_mean_comes_out() -> None:
    e = single_label(n=2000, skill=1.0)
    accuracy = METRICS.make("accuracy")(e)
    drawn = measure(e, ["accuracy"], resamples=2000).replicates["accuracy"]
    assert drawn.std() == pytest.approx(np.sqrt(accuracy * (1 - accuracy) / 2000), rel=0.1)


def test_the_seed_decides() -> None:
    e = single_label()
    assert figures(e, ["macro_f1"], seed=1) == figures(e, ["macro_f1"], seed=1)
    assert figures(e, ["macro_f1"], seed=1) != figures(e, ["macro_f1"], seed=2)


def test_the_interval_always_holds_the_value() -> None:
    e = {"label": np.arange(100) % 2, "predicted": np.zeros(100, int), "probabilities": np.full((100, 2), 0.5)}
    found = figures(e, ["ece"])["ece"]
    assert found.low <= found.value <= found.high


def test_a_metric_that_does_not_fit_names_those_that_do() -> None:
    with pytest.raises(RecipeError, match="reads value, predicted_value") as error:
        figures(single_label(), ["mae"])
    assert "accuracy" in error.value.hint and "rmse" not in error.value.hint
    with pytest.raises(RecipeError, match='no metric "acuracy"') as error:
        figures(single_label(), ["acuracy"])
    assert "accuracy" in error.value.hint


def test_no_rows_give_no_figures() -> None:
    empty = {"label": np.zeros(0, int), "predicted": np.zeros(0, int)}
    assert np.isnan(figures(empty, ["accuracy"])["accuracy"].value)


def test_a_thousand_resamples_of_77_classes_are_quick() -> None:
    e = single_label(n=5000, k=77)
    names = ["accuracy", "macro_f1", "micro_f1", "weighted_f1", "mcc", "ece", "log_loss", "brier"]
    start = time.process_time()
    figures(e, names)
    assert time.process_time() - start < 15, "a tenth of this is usual; row-by-row resampling takes minutes"
