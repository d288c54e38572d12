from __future__ import annotations

import random
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from tunesmith.core.contracts import Column
from tunesmith.core.errors import DataError
from tunesmith.core.registry import family
from tunesmith.evaluation.checks.context import Context, tolerance
from tunesmith.evaluation.context_variants import contradicted, longer, reworded, sentences, shuffled

TEXTS = {
    "en": ["It was good. We left early.", "It was bad. Nobody came.", "We came. It was good."],
    "zh": ["很好。我们走了。", "很差。没有人来。", "我们来了。很好。"],
}
LABELS = ["good", "bad", "good"]


class Reads:
    """Answers by a word of the text, or by its first character alone."""

    task = SimpleNamespace(columns=(Column("text"), Column("label", "label", target=True)))

    def __init__(self, first: bool) -> None:
        self.first = first

    def predict(self, rows: Sequence[Any], progress: Any = None) -> list[dict[str, Any]]:
        return [self._one(row["text"]) for row in rows]

    def _one(self, text: str) -> dict[str, Any]:
        if self.first:
            return {"label": text[0], "score": 0.9}
        bad = text.count("bad") + text.count("差")
        good = text.count("good") + text.count("好")
        return {"label": "bad" if bad > good else "good", "score": 0.9 if not bad or not good else 0.5}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_variants_keep_what_a_text_says(language: str) -> None:
    draw = random.Random(1)
    for text in TEXTS[language]:
        assert sorted(sentences(shuffled(text, draw))) == sorted(s.strip() for s in sentences(text))
        assert shuffled(text, draw) != text and text in longer(text, draw) and longer(text, draw) != text
        assert text in contradicted(text, "X") and reworded(text, draw)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_who_reads_all_is_consistent_and_who_reads_the_beginning_is_not(language: str) -> None:
    rows = [{"text": text, "label": label} for text, label in zip(TEXTS[language], LABELS, strict=True)]
    check = Context(resamples=100)
    check.before(Reads(first=True), rows)  # type: ignore[arg-type]
    found = check.check(Reads(first=False), rows)  # type: ignore[arg-type]
    parts = found.details["parts"]
    assert parts["longer"]["value"] == parts["shuffled"]["value"] == 1.0
    assert parts["noticed"]["value"] == 1.0
    assert found.details["before"]["parts"]["noticed"]["value"] == 0.0
    assert found.details["before"]["parts"]["shuffled"]["value"] < 1.0
    assert found.details["difference"]["value"] > 0 and "Against before" in found.verdict
    blind = Context(resamples=100).check(Reads(first=True), rows)  # type: ignore[arg-type]
    assert blind.figure < 1 and blind.worst


class Prices(Reads):
    """A number a character of the text, or the same number whatever the text."""

    def _one(self, text: str) -> dict[str, Any]:
        return {"value": 3.0 if self.first else float(len(text))}


def test_numbers_are_compared_within_a_tenth_of_their_spread() -> None:
    """Without a word in them, all numbers would read alike."""
    rows = [{"text": text, "label": str(i)} for i, text in enumerate(TEXTS["en"])]
    found = Context(resamples=100).check(Prices(first=False), rows)  # type: ignore[arg-type]
    assert found.details["parts"]["longer"]["value"] == 0.0 and found.worst[0]["answer"] == "27"
    steady = Context(resamples=100).check(Prices(first=True), rows)  # type: ignore[arg-type]
    assert steady.figure == 1.0 and tolerance(rows) == pytest.approx(0.1 * (2 / 3) ** 0.5)


def test_an_answer_that_is_cut_out_of_the_text_is_not_asked_for_in_other_words() -> None:
    class Finds(Reads):
        def _one(self, text: str) -> dict[str, Any]:
            return {"answer": "good", "start": text.find("good"), "end": 0, "score": 0.9}

    found = Context(resamples=100).check(Finds(first=False), [{"text": text} for text in TEXTS["en"]])  # type: ignore[arg-type]
    assert found.figure == 1.0 and found.details["asked"]["reworded"] == 0


@pytest.mark.parametrize(
    ("task", "why"),
    [
        ("text-classification", None),
        ("text-regression", None),
        ("extractive-qa", None),
        ("multiple-choice", None),
        ("token-classification", "point at places"),
        ("relation-extraction", "point at places"),
        ("semantic-roles", "point at places"),
        ("entities-and-relations", "point at places"),
        ("text-embedding", "another answer, and right"),
        ("translation", "another answer, and right"),
        ("mixture", "no text"),
        ("dialogue", "no text"),
        ("image-classification", "no text"),
    ],
)
def test_it_is_asked_where_an_answer_should_stay(task: str, why: str | None) -> None:
    made = family("tasks").make(task)
    if task == "extractive-qa":
        made.restore({"without_answer": 0})
    found = Context().fits(made)
    assert found is None if why is None else why in str(found)


def test_rows_without_a_text_are_an_error_before_training() -> None:
    with pytest.raises(DataError, match="no test row has one"):
        Context().ready([{"image": "a.png", "text": None}])
