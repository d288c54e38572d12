"""The first sentences of a text as its summary: hard to beat on news, where they say it all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

from tunesmith.core.contracts import Prediction, Row, Task
from tunesmith.evaluation.baselines.copied import copied

_SENTENCE = re.compile(r"[^.!?。！？\n]*(?:[.!?](?!\s|$)[^.!?。！？\n]*)*[.!?。！？\n]*[\"'”’)）」』]*\s*")


def sentences(text: str) -> list[str]:
    """The lines of a text of several; else its sentences.

    >>> sentences("It is 3.5 m. So what?"), sentences("天很好。我们走吧！"), sentences("A: Hi. You?\\nB: Yes.")
    (['It is 3.5 m.', 'So what?'], ['天很好。', '我们走吧！'], ['A: Hi. You?', 'B: Yes.'])
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > 1:
        return lines
    return [found for match in _SENTENCE.findall(text) if (found := match.strip())]


class Lead3:
    """The first three sentences, or turns of a dialogue."""

    name: ClassVar[str] = "lead-3"
    title: ClassVar[str] = "the first three sentences"
    count: ClassVar[int] = 3

    def __init__(self, task: Task, language: str) -> None:
        self.joint = "" if language in ("zh", "ja") else " "

    def fit(self, rows: Sequence[Row]) -> None:
        """Nothing is learned."""

    def predict(self, rows: Sequence[Row]) -> list[Prediction]:
        """The beginning of each row's text."""
        return [copied(self.joint.join(sentences(str(row["text"]))[: self.count])) for row in rows]


class FirstSentence(Lead3):
    """The first sentence, or turn."""

    name = "first-sentence"
    title = "the first sentence"
    count = 1
