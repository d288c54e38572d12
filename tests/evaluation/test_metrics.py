"""Figures agree with scikit-learn and SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sk

from tunesmith.core.registry import options_of
from tunesmith.evaluation.metrics import METRICS

from .conftest import lists, multi_label, regression, single_label, structured, texts


def figure(name: str, evidence: dict[str, np.ndarray]) -> float:
    return float(METRICS.make(name)(evidence))


@pytest.mark.parametrize("k", [2, 4, 30])
def test_single_label_figures_are_those_of_scikit_learn(k: int) -> None:
    e = single_label(k=k)
    truth, predicted, p = e["label"], e["predicted"], e["probabilities"]
    assert figure("accuracy", e) == pytest.approx(sk.accuracy_score(truth, predicted))
    for average in ("macro", "micro", "weighted"):
        assert figure(f"{average}_f1", e) == pytest.approx(sk.f1_score(truth, predicted, average=average))
    assert figure("mcc", e) == pytest.approx(sk.matthews_corrcoef(truth, predicted))
    assert figure("log_loss", e) == pytest.approx(sk.log_loss(truth, p, labels=range(k)))
    assert figure("brier", e) == pytest.approx(((p - np.eye(k)[truth]) ** 2).sum(axis=1).mean())


def test_multi_label_figures_are_those_of_scikit_learn() -> None:
    e = multi_label()
    truth, predicted, p = e["labels"], e["predicted_labels"], e["probabilities"]
    assert figure("macro_f1", e) == pytest.approx(sk.f1_score(truth, predicted, average="macro"))
    assert figure("micro_f1", e) == pytest.approx(sk.f1_score(truth, predicted, average="micro"))
    assert figure("subset_accuracy", e) == pytest.approx(sk.accuracy_score(truth, predicted))
    expected = sk.average_precision_score(truth, p, average="macro")
    assert figure("macro_average_precision", e) == pytest.approx(expected)
    each = [sk.log_loss(truth[:, i], p[:, i], labels=[0, 1]) for i in range(truth.shape[1])]
    assert figure("log_loss", e) == pytest.approx(np.mean(each))


def test_regression_figures_are_those_of_scikit_learn_and_scipy() -> None:
    e = regression()
    truth, predicted = e["value"], e["predicted_value"]
    assert figure("mae", e) == pytest.approx(sk.mean_absolute_error(truth, predicted))
    assert figure("rmse", e) == pytest.approx(sk.root_mean_squared_error(truth, predicted))
    assert figure("r2", e) == pytest.approx(sk.r2_score(truth, predicted))
    assert figure("pearson", e) == pytest.approx(stats.pearsonr(truth, predicted)[0])
    assert figure("spearman", e) == pytest.approx(stats.spearmanr(truth, predicted)[0])


def test_ece_is_the_formula_of_guo() -> None:
    e = single_label(n=500)
    confidence, right = e["probabilities"].max(axis=1), e["label"] == e["predicted"]
    expected = 0.0
    for m in range(15):
        inside = (confidence > m / 15) & (confidence <= (m + 1) / 15)
        if inside.any():
            expected += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    assert figure("ece", e) == pytest.approx(expected)


def test_ece_tells_a_sure_model_from_a_calibrated_one() -> None:
    truth = np.array([0] * 80 + [1] * 20)
    predicted = np.zeros(100, dtype=int)
    honest = np.tile([0.8, 0.2], (100, 1))
    sure = np.tile([0.99, 0.01], (100, 1))
    assert figure("ece", {"label": truth, "predicted": predicted, "probabilities": honest}) == pytest.approx(0)
    assert figure("ece", {"label": truth, "predicted": predicted, "probabilities": sure}) == pytest.approx(0.19)


def test_a_class_that_is_neither_present_nor_predicted_is_left_out() -> None:
    e = {"label": np.array([0, 1]), "predicted": np.array([0, 1]), "probabilities": np.eye(3)[[0, 1]]}
    assert figure("macro_f1", e) == 1.0


def test_a_constant_answer_has_no_mcc_and_no_correlation() -> None:
    truth = np.array([0, 1, 1])
    assert figure("mcc", {"label": truth, "predicted": np.ones(3, dtype=int)}) == 0.0
    e = {"value": np.array([1000.1, 1000.2, 1000.3]), "predicted_value": np.full(3, 1000.2)}
    assert math.isnan(figure("pearson", e)) and math.isnan(figure("spearman", e))
    assert figure("r2", e) == pytest.approx(0)


@pytest.mark.parametrize("name", list(METRICS))
def test_every_metric_is_whole(name: str) -> None:
    metric = METRICS.make(name)
    assert metric.name == name and metric.summary
    assert options_of(METRICS.load(name)).model_fields == {}
    assert math.isnan(metric({})), "evidence that does not hold what is read has no figure"
    kinds = (single_label(), multi_label(), regression(), structured(), texts(), lists())
    fitting = [e for e in kinds if metric.fits(e)]
    assert fitting
    for evidence in fitting:
        assert math.isfinite(metric(evidence))


@pytest.mark.parametrize("values", [[1.0] * 9 + [5.0], [2.0] * 19 + [3.1], [0.1] * 8 + [0.7, 0.3]])
def test_a_resample_without_variance_has_no_r2(values: list[float]) -> None:
    from tunesmith.evaluation.bootstrap import figures

    truth = np.array(values)
    e = {"value": truth, "predicted_value": truth + np.linspace(-0.2, 0.2, len(truth))}
    found = figures(e, ["r2", "pearson"])
    assert found["r2"].low > -100, "what rounding leaves of a constant target is no variance"
    # One column per resample: all rows the same one, and all rows once.
    r2 = METRICS.make("r2")
    counts = np.vstack([np.eye(len(truth))[0] * len(truth), np.ones(len(truth))])
    alone, whole = r2.over(e)(counts)
    assert np.isnan(alone) and whole == pytest.approx(found["r2"].value)
