"""What is counted as forgotten, and what is not."""

from __future__ import annotations

import numpy as np
import pytest

from tunesmith.core.contracts import Evidence
from tunesmith.evaluation.forgetting import before_and_after, fitting, forgetting_words, forgotten, over_known
from tunesmith.evaluation.metrics import METRICS
from tunesmith.tasks.grown import grown

METRIC_NAMES = ("macro_f1", "accuracy", "mcc", "log_loss", "ece")


def single(label: list[int], predicted: list[int], classes: int) -> Evidence:
    chances = np.full((len(label), classes), 0.1)
    chances[np.arange(len(label)), predicted] = 0.9
    return {
        "label": np.array(label),
        "predicted": np.array(predicted),
        "probabilities": chances / chances.sum(1, keepdims=True),
    }


def test_a_row_taken_for_a_new_class_is_one_miss() -> None:
    label = [0] * 50 + [1] * 50
    predicted = [*label[:-1], 2]
    plain, known = single(label, predicted, 3), over_known(single(label, predicted, 3), [0, 1])
    macro_f1 = METRICS.make("macro_f1")
    assert macro_f1(plain) < 0.67, "as a class of its own it would have F1 0"
    assert macro_f1(known) == pytest.approx((1 + 2 * 49 / 99) / 2)
    assert METRICS.make("accuracy")(known) == pytest.approx(0.99)
    assert fitting(METRIC_NAMES, known)[:2] == ["macro_f1", "accuracy"]


def test_known_classes_stand_anywhere() -> None:
    """Labels are sorted anew by each tuning: here the class that came later is the one in the middle."""
    evidence = single([0, 2] * 10, [0, 0] * 10, 3)
    assert METRICS.make("macro_f1")(over_known(evidence, [0, 2])) == pytest.approx(1 / 3)
    assert METRICS.make("macro_f1")(over_known(evidence, [0, 1])) == pytest.approx(2 / 3)


def test_without_new_classes_nothing_is_changed() -> None:
    evidence = single([0, 1], [0, 1], 2)
    assert over_known(evidence, [0, 1]) is evidence and fitting(METRIC_NAMES, evidence) == list(METRIC_NAMES)
    numbers = {"value": np.zeros(3), "predicted_value": np.zeros(3)}
    assert over_known(numbers, []) is numbers


def test_several_labels_and_structured_rows() -> None:
    true = np.array([[1, 0, 0], [0, 1, 0]], dtype=bool)
    guess = np.array([[1, 0, 1], [0, 1, 0]], dtype=bool)
    evidence = {"labels": true, "predicted_labels": guess, "probabilities": guess * 1.0}
    known = over_known(evidence, [0, 1])
    assert METRICS.make("macro_f1")(known) == 1.0 and METRICS.make("macro_f1")(evidence) < 1.0
    counts = np.array([[1, 0, 0, 1, 0, 0, 1, 0, 5]], dtype=np.float32)
    cut = over_known({"hit": np.array([False]), "class_counts": counts}, [0, 1])
    np.testing.assert_array_equal(cut["class_counts"], [[1, 0, 1, 0, 1, 0]])


def test_before_and_after() -> None:
    label = [0, 1] * 100
    before, after = single(label, label, 2), single(label, [0] * 60 + label[60:], 2)
    found = before_and_after(before, after, METRIC_NAMES, resamples=200)
    assert found["rows"] == 200 and found["compared"]["macro_f1"]["verdict"] == "worse"
    lost = forgotten(found, "accuracy")
    assert lost["value"] == pytest.approx(0.15) and 0 < lost["low"] < 0.15 < lost["high"]
    assert forgotten(found, "log_loss")["value"] > 0, "where lower is better, a rise is what is lost"
    words = forgetting_words(found, "accuracy")
    assert "was 1.000 and is 0.850: forgetting +0.150" in words and "it has forgotten" in words
    same = before_and_after(before, before, METRIC_NAMES, resamples=200)
    assert "no more than by chance" in forgetting_words(same, "macro_f1")


def test_classes_grow_at_the_end() -> None:
    old = {"labels": ["消极", "积极"], "counts": [5, 3], "none": "other", "threshold": 0.4}
    made = grown(old, {"labels": ["疑问", "消极"], "counts": [7, 1], "none": "x", "threshold": 0.9})
    assert made == {"labels": ["消极", "积极", "疑问"], "counts": [6, 3, 7], "none": "other", "threshold": 0.4}
    assert old["labels"] == ["消极", "积极"]
