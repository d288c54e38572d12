"""The dictionary baseline: what was seen is found again, the longest phrase first."""

from __future__ import annotations

from typing import Any

import pytest

from tunesmith.data.shapes.token_classification import TokenShape
from tunesmith.evaluation.baselines.dictionary import Dictionary
from tunesmith.evaluation.baselines.measured import measured
from tunesmith.evaluation.metrics.micro_f1 import MicroF1
from tunesmith.tasks.token_classification import TokenClassification

TRAIN = {
    "en": [
        ("New York is big", [(0, 8, "place")]),
        ("York is old , Ann said", [(0, 4, "place"), (14, 17, "person")]),
        ("may I , May ?", [(8, 11, "person")]),
        ("May is a month", []),
        ("in May , too", []),
    ],
    "zh": [
        ("纽约州很大", [(0, 3, "place")]),
        ("纽约很老，小安说", [(0, 2, "place"), (5, 7, "person")]),
        ("我见过小梅", [(3, 5, "person")]),
        ("小梅是花", []),
        ("这是小梅花", []),
    ],
}
TEST = {
    "en": ("Ann saw New York and May", [(0, 3, "person"), (8, 16, "place")]),
    "zh": ("小安见过纽约州和小梅", [(0, 2, "person"), (4, 7, "place")]),
}


def row(text: str, spans: list[tuple[int, int, str]]) -> dict[str, Any]:
    return {"text": text, "spans": [{"start": a, "end": b, "label": label} for a, b, label in spans]}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_phrases_are_found_again(language: str) -> None:
    train, test = [row(*r) for r in TRAIN[language]], [row(*TEST[language])]
    task = TokenClassification()
    task.learn(train)
    baseline = Dictionary(task, language)
    baseline.fit(train)
    (found,) = baseline.predict(test)
    assert [(s["start"], s["end"], s["label"]) for s in found["spans"]] == TEST[language][1]
    assert all(test[0]["text"][s["start"] : s["end"]] == s["text"] for s in found["spans"]) and 0 < found["score"] <= 1
    assert MicroF1()(measured("dictionary", task, train, test, language).evidence) == 1.0


def test_words_never_seen_get_the_usual_part_of_speech() -> None:
    tagged = [("the cat sleeps", "DT NN VB"), ("a dog runs", "DT NN VB"), ("old cat", "JJ NN")]
    shape = TokenShape()
    train = [r for words, tags in tagged for r in shape.read({"tokens": words, "tags": tags}, target=True)]
    task = TokenClassification()
    task.learn(train)
    baseline = Dictionary(task, "en")
    baseline.fit(train)
    (test,) = shape.read({"tokens": "the horse runs"}, target=False)
    assert [s["label"] for s in baseline.predict([test])[0]["spans"]] == ["DT", "NN", "VB"]
