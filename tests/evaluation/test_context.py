from __future__ import annotations

import random
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from tunesmith.core.contracts import Column
from tunesmith.evaluation.checks.context import Context
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
