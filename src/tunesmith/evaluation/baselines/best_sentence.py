"""Answer with the sentence that has most words in common with the question."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

from tunesmith.core.contracts import Prediction, Row, Task
from tunesmith.tasks.answer_match import answer_tokens

_SENTENCE = re.compile(r"[^.!?。！？；;\n]+[.!?。！？；;]*")


class BestSentence:
    """The context's sentence that shares most words (in Chinese: characters) with the question, the first of equals.

    It always answers.
    """

    name: ClassVar[str] = "best-sentence"
    title: ClassVar[str] = "the sentence that shares most words with the question"

    def __init__(self, task: Task, language: str) -> None:
        self.task = task

    def fit(self, rows: Sequence[Row]) -> None:
        """Nothing is learned."""

    def predict(self, rows: Sequence[Row]) -> list[Prediction]:
        """A sentence for each row."""
        return [answer(str(row["question"]), str(row["context"])) for row in rows]


def answer(question: str, context: str) -> Prediction:
    """The sentence and its place.

    >>> answer("Who wrote it?", "It is old. Ann wrote it.")["answer"]
    'Ann wrote it.'
    """
    asked = set(answer_tokens(question))
    sentences = [match for match in _SENTENCE.finditer(context) if match[0].strip()]
    if not sentences:
        return {"answer": context, "start": 0, "end": len(context), "score": 0.0}
    best = max(sentences, key=lambda match: len(asked & set(answer_tokens(match[0]))))
    text = best[0].strip()
    start = best.start() + len(best[0]) - len(best[0].lstrip())
    return {"answer": text, "start": start, "end": start + len(text), "score": 0.0}
