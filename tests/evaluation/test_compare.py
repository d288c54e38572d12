"""Paired comparison: tests against SciPy, verdicts in words."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tunesmith.core.errors import DataError
from tunesmith.evaluation.compare import bootstrap_p, compare
from tunesmith.evaluation.mcnemar import mcnemar

from .conftest import regression, single_label


@pytest.mark.parametrize("pair", [(0, 0), (1, 0), (5, 5), (8, 1), (1, 8), (40, 22), (900, 850), (30_000, 29_000)])
def test_mcnemar_is_the_binomial_test(pair: tuple[int, int]) -> None:
    fixed, broken = pair
    n = fixed + broken
    exact = stats.binomtest(fixed, n, 0.5).pvalue if n else 1.0
    assert mcnemar(fixed, broken, mid_p=False) == pytest.approx(exact, rel=1e-6)
    expected = exact - stats.binom.pmf(fixed, n, 0.5) if fixed != broken else 1 - 0.5 * stats.binom.pmf(fixed, n, 0.5)
    if n:
        assert mcnemar(fixed, broken) == pytest.approx(expected, rel=1e-6)


def test_a_better_model_is_called_better_whatever_the_direction_of_the_metric() -> None:
    found = compare(single_label(skill=3.0, seed=1), single_label(skill=0.5, seed=2), ["accuracy", "log_loss"])
    assert {c.verdict for c in found.values()} == {"better"}
    assert found["accuracy"].difference.value > 0 > found["log_loss"].difference.value
    assert found["accuracy"].test == "McNemar, mid-p" and found["accuracy"].p_value < 0.001
    assert found["accuracy"].words.startswith("After tuning is better than before tuning: accuracy 0.")
    assert "95% interval +0." in found["accuracy"].words and "p < 0.001" in found["accuracy"].words


def test_a_worse_model_is_called_worse() -> None:
    found = compare(single_label(skill=0.5, seed=1), single_label(skill=3.0, seed=2), ["macro_f1"])["macro_f1"]
    assert found.verdict == "worse" and "is worse than" in found.words


def test_two_models_of_equal_skill_are_not_distinguishable() -> None:
    found = compare(
        single_label(seed=1), single_label(seed=2), ["macro_f1", "accuracy"], second_name="TF-IDF + logistic regression"
    )
    for one in found.values():
        assert one.verdict == "not distinguishable"
        assert one.words.startswith("Not distinguishable from the baseline: ")
        assert "TF-IDF + logistic regression" in one.words and f"{one.second_value:.3f}" in one.words


def test_a_model_against_itself_differs_by_nothing() -> None:
    found = compare(single_label(), single_label(), ["accuracy", "macro_f1"])
    assert all(c.difference.low == c.difference.high == 0 and c.p_value == 1 for c in found.values())


def test_pairing_sees_what_two_intervals_do_not() -> None:
    """A small gain on the same hard rows: the single intervals overlap, the paired one leaves out 0."""
    noise = np.random.default_rng(0).normal(size=400)
    truth = np.zeros(400)
    worse, better = ({"value": truth, "predicted_value": noise * scale} for scale in (1.03, 1.0))
    assert compare(better, worse, ["rmse"])["rmse"].verdict == "better"


def test_numbers_and_undefined_figures() -> None:
    good, constant = regression(noise=0.5), regression()
    constant["predicted_value"] = np.full(300, 1000.0)
    found = compare(good, constant, ["mae", "pearson"], second_name="the mean")
    assert found["mae"].verdict == "better"
    assert found["pearson"].verdict == "not defined" and "not defined for the mean" in found["pearson"].words


def test_rows_must_be_the_same() -> None:
    with pytest.raises(DataError, match="has 300 rows and .* has 200"):
        compare(single_label(), single_label(n=200), ["accuracy"])


def test_bootstrap_p_is_never_zero() -> None:
    assert bootstrap_p(np.ones(999)) == pytest.approx(2 / 1000)
    assert bootstrap_p(np.array([-1.0, 1.0] * 50)) == 1.0
