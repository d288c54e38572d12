"""Baselines learn, on English and Chinese, for every kind of target."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tunesmith.core.errors import DataError, RecipeError
from tunesmith.evaluation.baselines import BASELINES
from tunesmith.evaluation.baselines.majority import majority
from tunesmith.evaluation.baselines.measured import measured
from tunesmith.evaluation.baselines.text_features import is_unspaced
from tunesmith.evaluation.baselines.tfidf import tfidf
from tunesmith.evaluation.bootstrap import figures
from tunesmith.tasks.multi_label_classification import MultiLabelClassification

WORDS = {
    "en": {
        "good": ["lovely clean room", "kind staff and great food", "wonderful view, would return"],
        "bad": ["dirty noisy room", "rude staff and cold food", "terrible smell, never again"],
    },
    "zh": {
        "good": ["房间很干净", "服务热情，早餐好吃", "风景很美，下次还来"],
        "bad": ["房间又脏又吵", "服务冷淡，早餐难吃", "味道难闻，再也不来"],
    },
}


def labelled(language: str, copies: int, start: int) -> list[dict[str, Any]]:
    return [
        {"text": f"{text} {i}", "label": label}
        for i in range(start, start + copies)
        for label, texts in WORDS[language].items()
        for text in texts
    ]


def value(baseline: Any, metric: str) -> float:
    return figures(baseline.evidence, [metric], resamples=100)[metric].value


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("told", [True, False])
def test_tfidf_learns_and_majority_does_not(language: str, told: bool) -> None:
    train, test = labelled(language, 5, 0), labelled(language, 2, 50)
    known = language if told else None
    learned = tfidf("text-classification", train, test, ["bad", "good"], known)
    assert value(learned, "accuracy") == 1.0 and value(learned, "log_loss") < 0.5
    assert value(majority("text-classification", train, test, ["bad", "good"], known), "accuracy") == 0.5
    assert learned.settings["n_grams"].startswith("characters" if language == "zh" else "words")
    assert learned.seconds_fit > 0 and learned.seconds_predict > 0
    assert np.allclose(learned.evidence["probabilities"].sum(axis=1), 1)


def test_the_tasks_threshold_holds_for_its_baselines() -> None:
    """A quarter of the rows has the label: at 0.2 the same answer for all gives it, at 0.5 it does not."""
    rows = [{"text": f"a room {i}", "labels": ["all"] if i % 4 else ["all", "some"]} for i in range(40)]
    for threshold, given in ((0.2, True), (0.5, False)):
        task = MultiLabelClassification(threshold)
        task.learn(rows)
        found = measured("majority", task, rows, rows, "en").evidence["predicted_labels"]
        assert (found == [True, given]).all()
        assert measured("tfidf", task, rows, rows, "en").evidence["predicted_labels"].dtype == bool


@pytest.mark.parametrize("language", ["en", "zh"])
def test_sets_of_labels(language: str) -> None:
    train, test = (
        [{"text": r["text"], "labels": [r["label"]] if i % 4 else [r["label"], "always"]} for i, r in enumerate(part)]
        for part in (labelled(language, 8, 0), labelled(language, 2, 50))
    )
    names = ["always", "bad", "good", "unseen"]
    found = tfidf("multi-label-classification", train, test, names, language)
    assert found.evidence["labels"].shape == (12, 4)
    good = names.index("good")
    assert (found.evidence["labels"][:, good] == found.evidence["predicted_labels"][:, good]).all()
    assert not found.evidence["predicted_labels"][:, names.index("unseen")].any()
    prior = majority("multi-label-classification", train, test, names, language)
    assert prior.evidence["probabilities"][0].tolist() == pytest.approx([0.25, 0.5, 0.5, 0.0])


def test_numbers() -> None:
    train, test = (
        [{"text": r["text"], "label": "5" if r["label"] == "good" else 1.0} for r in part]
        for part in (labelled("en", 5, 0), labelled("en", 2, 50))
    )
    assert value(tfidf("text-regression", train, test), "r2") > 0.6
    mean = majority("text-regression", train, test)
    assert mean.evidence["predicted_value"].tolist() == [3.0] * 12
    with pytest.raises(DataError, match='Row 0 has "many" where a number is wanted'):
        majority("text-regression", [{"text": "a", "label": "many"}], test)


def test_a_pair_is_read_as_two_sides() -> None:
    """Which side says "cat" decides; a bag of both sides' words could not tell."""
    made = [
        {"text": a, "text_pair": b, "label": label}
        for i in range(10)
        for a, b, label in ((f"a cat {i}", f"a dog {i}", "first"), (f"a dog {i}", f"a cat {i}", "second"))
    ]
    found = tfidf("text-classification", made[:14], made[14:], ["first", "second"], "en")
    assert value(found, "accuracy") == 1.0 and found.settings["pairs"]


def test_a_class_that_no_training_row_has_gets_probability_zero() -> None:
    found = tfidf("text-classification", labelled("en", 3, 0), labelled("en", 1, 50), ["bad", "good", "new"], "en")
    assert (found.evidence["probabilities"][:, 2] == 0).all()


def test_texts_without_words_fall_back_to_characters() -> None:
    made = [{"text": "☺" if i % 2 else "☹", "label": "up" if i % 2 else "down"} for i in range(20)]
    found = tfidf("text-classification", made, made, ["down", "up"], "en")
    assert value(found, "accuracy") == 1.0 and found.settings["n_grams"].startswith("characters")
    with pytest.raises(DataError, match="empty"):
        tfidf(
            "text-classification", [{"text": "", "label": "up"}, {"text": None, "label": "down"}], made, ["down", "up"]
        )


def test_errors_name_the_row_and_the_task() -> None:
    rows = labelled("en", 2, 0)
    with pytest.raises(DataError, match='Row 0 has the label "goood"') as error:
        majority("text-classification", rows, [{"text": "a", "label": "goood"}], ["bad", "good"])
    assert 'Did you mean "good"?' in error.value.problem
    with pytest.raises(RecipeError, match="no baselines for the task"):
        tfidf("summarisation", rows, rows)


@pytest.mark.parametrize("name", [name for name in BASELINES if not isinstance(BASELINES.load(name), type)])
def test_every_baseline_is_called_alike_and_says_its_name(name: str) -> None:
    found = BASELINES.load(name)(
        "text-classification", labelled("en", 2, 0), labelled("en", 1, 9), ["bad", "good"], None
    )
    assert found.name == name and len(found.evidence["predicted"]) == 6


def test_scripts() -> None:
    assert is_unspaced("zh-CN", []) and is_unspaced("ja", ["a"]) and not is_unspaced("ko", ["한국어"])
    assert is_unspaced(None, ["今天天气很好 ok"]) and not is_unspaced(None, ["the word 天 means sky"])
    assert (
        is_unspaced(None, ["ห้องสะอาดมาก"]) and not is_unspaced(None, []) and not is_unspaced(None, ["приятный номер"])
    )
