"""SQuAD: questions about paragraphs, answered by a piece of them or not at all."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import pyarrow as pa

from tunesmith.core.errors import DataError
from tunesmith.data.bytestream import MARK
from tunesmith.data.rows import BrokenRow
from tunesmith.data.sources.json import value_of
from tunesmith.data.sources.source import Reading, Source, batched

SHOWN = 300
_PARAGRAPHS = re.compile(r'"paragraphs"\s*:\s*\[')
_QUESTIONS = re.compile(r'"(qas|context)"\s*:')


class Squad(Source):
    """SQuAD 1.1 and 2.0 (Rajpurkar et al. 2016, 2018), a row a question.

    Columns: ``id``, ``title``, ``context``, ``question``, ``answers`` (``[{"text", "start"}]``), ``is_impossible``.

    Args:
        encoding: None: detected.
    """

    name: ClassVar[str] = "squad"
    summary: ClassVar[str] = "SQuAD 1.1 and 2.0 JSON: questions about paragraphs, a row a question, also gzipped"

    def __init__(self, encoding: str | None = None) -> None:
        self.encoding = encoding

    @classmethod
    def recognises(cls, head: str) -> str:
        """An object with ``paragraphs`` that have a ``context`` and ``qas``."""
        if head.lstrip().startswith("{") and _PARAGRAPHS.search(head) and _QUESTIONS.search(head):
            return "its data are paragraphs with qas"
        return ""

    def batches(self, path: str, reading: Reading) -> Iterator[pa.RecordBatch]:
        """The file's questions.

        Raises:
            DataError: the file is not JSON, or holds no list of articles.
        """
        value = value_of(path, self.encoding, reading)
        if value is None:
            return
        articles = value.get("data") if isinstance(value, Mapping) else None
        if not isinstance(articles, list):
            raise DataError(f"{path} has no list under the key data.", "SQuAD is {data: [{paragraphs: [...]}]}.")
        yield from batched(_rows(articles, path, reading))


def _rows(articles: list[Any], path: str, reading: Reading) -> Iterator[dict[str, Any]]:
    for number, (title, context, question) in enumerate(questions(articles), 1):
        problem = _problem(context, question)
        if problem:
            text = json.dumps(question, ensure_ascii=False)[:SHOWN].replace(MARK, "")
            reading.broken.append(BrokenRow(path, number, problem, text))
        else:
            yield row_of(title, context, question)


def questions(articles: list[Any]) -> Iterator[tuple[Any, Any, Any]]:
    """(title, context, question's entry) of each question; what has no questions comes as an entry of its own."""
    for article in articles:
        paragraphs = article.get("paragraphs") if isinstance(article, Mapping) else None
        if not isinstance(paragraphs, list):
            yield None, None, article
            continue
        for paragraph in paragraphs:
            entries = paragraph.get("qas") if isinstance(paragraph, Mapping) else None
            if not isinstance(entries, list):
                yield article.get("title"), None, paragraph
                continue
            for entry in entries:
                yield article.get("title"), paragraph.get("context"), entry


def row_of(title: Any, context: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """One question as a row. Answers are as in the file: whoever reads the row says which are not in the context."""
    row: dict[str, Any] = {"id": entry.get("id"), "title": title, "context": context, "question": entry["question"]}
    answers = entry.get("answers")
    if isinstance(answers, list):
        row["answers"] = [_answer(answer) for answer in answers]
    elif entry.get("is_impossible"):
        row["answers"] = []
    if "is_impossible" in entry:
        row["is_impossible"] = bool(entry["is_impossible"])
    return {key: value for key, value in row.items() if value is not None}


def _answer(answer: Any) -> Any:
    if not isinstance(answer, Mapping):
        return answer
    return {"text": answer.get("text"), "start": answer.get("answer_start")}


def _problem(context: Any, entry: Any) -> str:
    if not isinstance(entry, Mapping):
        return f"a {type(entry).__name__}, not an object"
    if context is None:
        return "no list of paragraphs or qas, or no context"
    if not isinstance(context, str) or not isinstance(entry.get("question"), str):
        return "context and question are not both text"
    return "bytes that do not decode" if MARK in context or MARK in entry["question"] else ""
