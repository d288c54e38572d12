"""What calibrated answers promise holds on rows that were not looked at, in simulations whose truth is known."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from tunesmith.bundle.parity import same, same_answer
from tunesmith.tasks.calibrated.calibrated import OUTSIDE, UNSURE, Calibrated, Wanted, calibrate, words
from tunesmith.tasks.calibrated.conformal import fit_level, sets
from tunesmith.tasks.calibrated.scope import fit_usual
from tunesmith.tasks.calibrated.selective import fit_threshold, upper_bound
from tunesmith.tasks.calibrated.temperature import fit_temperature, softmax
from tunesmith.tasks.text_classification import TextClassification


def rows(count: int, seed: int, sharp: float = 2.5) -> tuple[Any, Any]:
    """Logits that are ``sharp`` times too sure, and labels drawn by the true probabilities."""
    draw = np.random.default_rng(seed)
    true = draw.normal(0, 2.5, (count, 4))
    labels = np.array([draw.choice(4, p=p) for p in softmax(true)])
    return true * sharp, labels


def tokens(count: int, seed: int, first: int = 0) -> list[list[Any]]:
    """Texts of common and of rare words; from ``first`` on."""
    draw = np.random.default_rng(seed)
    return [[first + np.minimum(draw.zipf(1.5, 12), 400)] for _ in range(count)]


def test_the_temperature_is_found_again() -> None:
    logits, labels = rows(4000, 1)
    assert fit_temperature(logits, labels) == pytest.approx(2.5, rel=0.06)
    assert fit_temperature(logits / 5, labels) == pytest.approx(0.5, rel=0.06)


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
def test_sets_hold_the_right_label_as_often_as_wanted(coverage: float) -> None:
    found = []
    for seed in range(20):
        (fitted, truth), (asked, answers) = rows(600, seed), rows(600, 100 + seed)
        inside = sets(softmax(asked), fit_level(softmax(fitted), truth, coverage))
        found.append(inside[np.arange(600), answers].mean())
    assert np.mean(found) == pytest.approx(coverage, abs=0.01)


def test_the_error_among_taken_answers_is_kept() -> None:
    broken, taken = 0, []
    for seed in range(20):
        (fitted, truth), (asked, answers) = rows(1500, seed, 1.0), rows(4000, 100 + seed, 1.0)
        p, q = softmax(fitted), softmax(asked)
        level = fit_threshold(p.max(1), p.argmax(1) == truth, 0.1, 0.9)
        assert level is not None
        sure = q.max(1) >= level
        taken.append(sure.mean())
        broken += (q.argmax(1) != answers)[sure].mean() > 0.1
    assert broken <= 4  # 10% of the time at most; 5 of 20 by chance: 4 in 100
    assert np.mean(taken) > 0.15


def test_nothing_is_promised_of_too_few_rows() -> None:
    sure = np.linspace(0.5, 1, 50)
    assert fit_threshold(sure, np.ones(50, bool), 0.02, 0.9) is None
    assert fit_threshold(sure[:0], np.ones(0, bool), 0.02, 0.9) is None
    assert fit_threshold(np.linspace(0.5, 1, 2000), np.ones(2000, bool), 0.02, 0.9) == 0.5
    assert upper_bound(3, 3, 0.1) == 1.0


def test_usual_tokens_come_back_from_json_and_strange_ones_stand_out() -> None:
    usual = fit_usual(tokens(500, 0))
    again = type(usual).from_json(json.loads(json.dumps(usual.to_json())))
    own, strange = [usual.odd(t) for t in tokens(200, 1)], [usual.odd(t) for t in tokens(200, 1, first=5000)]
    assert [again.odd(t) for t in tokens(200, 1)] == own
    assert np.quantile(own, 0.99) < min(strange)
    assert usual.odd([np.array([1, 2]), np.array([2, 900])]) == usual.odd([np.array([1, 2, 900])])


@pytest.fixture(scope="module")
def found() -> Calibrated:
    logits, labels = rows(2000, 3)
    return calibrate(logits, labels, tokens(2000, 4), tokens(3000, 5), Wanted(error=0.1))


def test_an_answer_says_what_it_is_worth(found: Calibrated) -> None:
    names = ["a", "b", "c", "d"]
    sure, unsure = np.array([300.0, 0, 0, 0]), np.array([1.0, 0.9, 0, 0])
    common = [np.array([1, 2, 3])]
    clear = found.answer(sure, common, names)
    assert clear["label"] == "a" and clear["candidates"] == ["a"] and not clear["abstain"] and clear["human"] == ""
    open_ = found.answer(unsure, common, names)
    assert open_["abstain"] and open_["human"] == UNSURE
    assert sum(open_["scores"].values()) == pytest.approx(1)
    alien = found.answer(sure, tokens(1, 1, first=9000)[0], names)
    assert alien["abstain"] and alien["human"] == OUTSIDE and alien["strange"] > clear["strange"]
    assert all(math.isfinite(one["strange"]) for one in (clear, open_, alien))
    again = Calibrated.from_json(json.loads(json.dumps(found.to_json())))
    assert same(again.answer(unsure, common, names), open_, 1e-4)
    assert same_answer(open_, {**open_, "abstain": False, "human": "", "candidates": []})


def test_few_rows_of_its_own_are_called_out_of_scope(found: Calibrated) -> None:
    logits, _ = rows(3000, 8)
    answers = [found.answer(one, ids, ["a", "b", "c", "d"]) for one, ids in zip(logits, tokens(3000, 9), strict=True)]
    assert 0.002 < np.mean([a["human"] == OUTSIDE for a in answers]) < 0.025


def test_words_say_when_nothing_can_be_promised(found: Calibrated) -> None:
    assert "2,000 validation rows" in words(found, Wanted(0.1), 2000)
    assert "every answer abstains" in words(Calibrated(1, 0, None, found.scope), Wanted(), 40)


def test_a_task_keeps_it_in_its_state() -> None:
    task = TextClassification()
    texts = [{"text": "x", "label": label} for label in "abab"]
    task.learn(texts)
    features = [{"row": i, "input_ids": np.array([i, i + 1], np.int32)} for i in range(4)]
    outputs = [np.array([2.0, -2.0]) if i % 2 == 0 else np.array([-2.0, 2.0]) for i in range(4)]
    plain = task.decode(outputs, features)
    assert set(plain[0]) == {"label", "score", "scores"} == set(task.response_model().model_fields)
    task.calibrate(texts, outputs, features, features, Wanted())
    told = task.decode(outputs, features)
    assert told[0]["label"] == "a" and told[0]["abstain"] and task.response_model().model_validate(told[0])
    again = TextClassification()
    again.restore(json.loads(json.dumps(task.state)))
    assert again.decode(outputs, features) == told
    again.restore({"labels": ["a", "b"], "counts": [1, 1]})
    assert set(again.decode(outputs, features)[0]) == {"label", "score", "scores"}
