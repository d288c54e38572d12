"""Figures and baselines of questions: answers by span, and by choice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tunesmith.core.registry import family
from tunesmith.evaluation.baselines.measured import measured
from tunesmith.evaluation.bootstrap import figures

EN = "It is an old book. Ann wrote it in Rome! Bob never read it."
ZH = "这本书很旧。小明在北京写了它！小红没读过。"


def asked(question: str, context: str, *answers: str) -> dict[str, Any]:
    found = [{"text": text, "start": context.index(text)} for text in answers]
    return {"question": question, "context": context, "answers": found}


def value(name: str, evidence: dict[str, np.ndarray]) -> float:
    return float(family("metrics").make(name)(evidence))


def evidence(f1: list[float], answerable: list[bool], answered: list[bool]) -> dict[str, np.ndarray]:
    return {
        "answer_f1": np.array(f1),
        "exact_match": (np.array(f1) == 1).astype(float),
        "answerable": np.array(answerable),
        "answered": np.array(answered),
    }


def test_figures_of_answers() -> None:
    e = evidence([1, 0.5, 0, 1, 0], [True, True, True, False, False], [True, True, False, False, True])
    assert value("exact_match", e) == pytest.approx(2 / 5)
    assert value("answer_f1", e) == pytest.approx(0.5)
    assert value("answerable_f1", e) == pytest.approx(0.5)
    assert value("no_answer_accuracy", e) == pytest.approx(3 / 5)
    only_none = evidence([1.0], [False], [False])
    assert np.isnan(value("answerable_f1", only_none)), "no row says anything about it"


def test_intervals_hold_the_figure_and_shrink_with_rows() -> None:
    random = np.random.default_rng(1)
    widths = []
    for n in (50, 800):
        e = evidence(random.random(n).tolist(), (random.random(n) < 0.6).tolist(), (random.random(n) < 0.6).tolist())
        made = figures(e, ["answer_f1", "answerable_f1"], resamples=200)
        assert all(f.low <= f.value <= f.high for f in made.values())
        widths.append(made["answerable_f1"].high - made["answerable_f1"].low)
    assert widths[1] < widths[0] / 2


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (asked("Where did Ann write it?", EN, "Rome"), "Ann wrote it in Rome!"),
        (asked("小明在哪里写了它？", ZH, "北京"), "小明在北京写了它！"),
        (asked("Who?", "...", "..."), "..."),
    ],
)
def test_best_sentence(row: dict[str, Any], sentence: str) -> None:
    task = family("tasks").make("extractive-qa")
    task.learn([asked("Where?", EN, "Rome")])
    baseline = family("baselines").load("best-sentence")(task, "en")
    (found,) = baseline.predict([row])
    assert found["answer"] == sentence == row["context"][found["start"] : found["end"]]


def test_baselines_of_questions_give_the_tasks_own_evidence() -> None:
    task = family("tasks").make("extractive-qa")
    rows = [asked("Where did Ann write it?", EN, "Rome"), asked("What is it?", EN), asked("谁写了它？", ZH, "小明")]
    task.learn(rows)
    made = measured("best-sentence", task, rows, rows, "en").evidence
    assert made["answered"].all() and made["answer_f1"][1] == 0 and 0 < value("answerable_f1", made) < 1


@pytest.mark.parametrize(
    ("row", "right"),
    [
        ({"question": "女的怎么了？", "choices": ["口渴了", "要减肥"], "context": "女：我要减肥。", "answer": 1}, True),
        ({"question": "What is it?", "choices": ["an old book", "a new hat"], "context": EN, "answer": 0}, True),
        ({"question": "What is it?", "choices": ["a cat", "a very old book"], "context": "", "answer": 1}, True),
        ({"question": "What is it?", "choices": ["a cat", "a very old book"], "answer": 0}, False),
    ],
)
def test_overlap(row: dict[str, Any], right: bool) -> None:
    task = family("tasks").make("multiple-choice")
    task.learn([row])
    made = measured("overlap", task, [row], [row], "zh").evidence
    assert made["hit"].tolist() == [right] and value("accuracy", made) == float(right)
