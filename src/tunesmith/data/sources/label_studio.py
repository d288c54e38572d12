"""Label Studio's JSON export: tasks with annotations, whose results are spans, relations or choices."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import pyarrow as pa

from tunesmith.core.errors import DataError
from tunesmith.data.bytestream import MARK
from tunesmith.data.rows import BrokenRow
from tunesmith.data.sources.json import LINES, value_of
from tunesmith.data.sources.jsonl import objects
from tunesmith.data.sources.offsets import pairs_of_ids, settled
from tunesmith.data.sources.source import Reading, Source, batched

ANSWERS = ("annotations", "completions", "predictions")
"""Where a task keeps results: people's, the same in versions before 1.0, a model's."""
LABELS = ("labels", "hypertextlabels", "paragraphlabels")
_ANSWERS = re.compile(r'"(annotations|completions|predictions)"\s*:\s*\[')
_RESULT = re.compile(r'"(result|data)"\s*:\s*[\[{]')

Result = Mapping[str, Any]


class LabelStudio(Source):
    """Label Studio's JSON (not JSON-MIN): ``text`` with ``spans``, ``relations``, ``label`` or ``labels``.

    Of several annotations of a task the one marked as ground truth is taken, else the first that was not cancelled;
    where people gave none, a model's prediction.

    Args:
        encoding: None: detected.
    """

    name: ClassVar[str] = "label-studio"
    summary: ClassVar[str] = "Label Studio's JSON export: spans, relations or choices, also gzipped"

    def __init__(self, encoding: str | None = None) -> None:
        self.encoding = encoding

    @classmethod
    def recognises(cls, head: str) -> str:
        """Tasks with ``annotations``, ``completions`` or ``predictions``, and in these a ``result``."""
        if head.lstrip()[:1] in ("[", "{") and _ANSWERS.search(head) and _RESULT.search(head):
            return "its tasks have annotations with results"
        return ""

    def batches(self, path: str, reading: Reading) -> Iterator[pa.RecordBatch]:
        """The file's tasks.

        Raises:
            DataError: the file is not JSON, or no list of tasks.
        """
        value = value_of(path, self.encoding, reading)
        if value is LINES:
            value = [task for _, task in objects(path, self.encoding, reading)]
        tasks = [value] if isinstance(value, Mapping) else value
        if tasks is None:
            return
        if not isinstance(tasks, list):
            raise DataError(f"{path} is no list of tasks.", "Export from Label Studio as JSON.")
        rows = list(_rows(tasks, path, reading))
        yield from batched(_one_label(rows))


def _rows(tasks: list[Any], path: str, reading: Reading) -> Iterator[dict[str, Any]]:
    for number, task in enumerate(tasks, 1):
        try:
            yield row_of(task, reading.counts)
        except ValueError as error:
            text = json.dumps(task, ensure_ascii=False)[:500].replace(MARK, "")
            reading.broken.append(BrokenRow(path, number, str(error), text))


def row_of(task: Any, told: Counter[str]) -> dict[str, Any]:
    """One task as a row; without ``spans`` and labels where nobody has annotated it.

    Args:
        task: an entry of the export.
        told: takes what was chosen, mended and left out, in words -> how often.

    Raises:
        ValueError: it is no task, or has no text; a relation's end is not there.
    """
    if not isinstance(task, Mapping) or not isinstance(task.get("data"), Mapping):
        raise ValueError("no task with data")
    results = _chosen(task, told)
    text = text_of(task["data"], results or [])
    if text is None:
        raise ValueError("no text in its data")
    if MARK in text:
        raise ValueError("bytes that do not decode")
    row: dict[str, Any] = {**({"id": task["id"]} if "id" in task else {}), "text": text}
    row |= {key: v for key, v in task["data"].items() if isinstance(v, str | int | float) and v != text}
    return row if results is None else {**row, **_answers(results, text, told)}


def text_of(data: Mapping[str, Any], results: Sequence[Result]) -> str | None:
    """The text that was annotated: the one under ``text``, else the one that spans are from, else the longest."""
    texts = {key: value for key, value in data.items() if isinstance(value, str)}
    if len(texts) > 1 and "text" not in texts:
        values = [result["value"] for result in results if isinstance(result.get("value"), Mapping)]
        quoted = [value["text"] for value in values if isinstance(value.get("text"), str)]
        texts = {k: v for k, v in texts.items() if all(quote in v for quote in quoted)} or texts
    return texts.get("text") or max(texts.values(), key=len, default=None)


def _chosen(task: Mapping[str, Any], told: Counter[str]) -> list[Result] | None:
    """The results of one annotation; None where there is none."""
    for place in ANSWERS:
        given = [a for a in task.get(place) or [] if isinstance(a, Mapping) and isinstance(a.get("result"), list)]
        able = [a for a in given if not a.get("was_cancelled")]
        if able:
            told["tasks have several annotations; one of each was taken"] += len(able) > 1
            told["tasks have only a model's predictions; these were taken"] += place == "predictions"
            truth = [a for a in able if a.get("ground_truth")]
            return [r for r in (truth or able)[0]["result"] if isinstance(r, Mapping)]
    return None


def _answers(results: Sequence[Result], text: str, told: Counter[str]) -> dict[str, Any]:
    """Results as columns. A task without any has ``spans`` without one: what was asked for, the other tasks say."""
    kinds = Counter(_kind(result) for result in results)
    for kind in kinds.keys() - {*LABELS, "relation", "choices"}:
        told[f'results of the kind "{kind}" were left out'] += kinds[kind]
    spans = [pair for result in results if _kind(result) in LABELS for pair in _spans(result, text, told)]
    ends = [pair for result in results if _kind(result) == "relation" for pair in _relations(result)]
    found: dict[str, Any] = {}
    if "choices" in kinds:
        given = [_mapping(result.get("value")).get("choices") for result in results if _kind(result) == "choices"]
        found["labels"] = [choice for choices in given for choice in choices or []]
    if spans or "choices" not in kinds:
        found["spans"] = [span for _, span in spans]
    return {**found, "relations": pairs_of_ids(ends, [name for name, _ in spans])} if ends else found


def _kind(result: Result) -> str:
    return str(result.get("type", "")).lower()


def _spans(result: Result, text: str, told: Counter[str]) -> Iterator[tuple[Any, dict[str, Any]]]:
    """(id, span) for each label that was given to a place."""
    value = _mapping(result.get("value"))
    place = _mapping(value.get("globalOffsets")) or value
    start, end, shown = place.get("start"), place.get("end"), value.get("text")
    if isinstance(start, int) and isinstance(end, int) and isinstance(shown, str):
        start, end, moved = settled(text, start, end, shown)
        told["spans were counted in UTF-16 units and are counted in characters now"] += moved
    claim = {"text": shown} if isinstance(shown, str) else {}
    score = {"score": result["score"]} if isinstance(result.get("score"), float) else {}
    for label in value.get(_kind(result)) or [None]:
        yield result.get("id"), {"start": start, "end": end, "label": label, **claim, **score}


def _relations(result: Result) -> Iterator[tuple[Any, Any, Any]]:
    """(id of the head, id of the tail, label)."""
    ends = result.get("from_id"), result.get("to_id")
    if result.get("direction") == "left":
        ends = ends[1], ends[0]
    for label in result.get("labels") or [None]:
        yield *ends, label


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _one_label(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Choices of at most one a task become ``label``; tasks without any result are of the kind of the others."""
    labelled = [row for row in rows if "labels" in row]
    if not labelled:
        return rows
    if not any(row.get("spans") for row in rows):
        rows = [{key: value for key, value in row.items() if key != "spans"} for row in rows]
    if any(len(row["labels"]) > 1 for row in labelled):
        return rows
    kept = [{key: value for key, value in row.items() if key != "labels"} for row in rows]
    return [
        {**row, "label": (old.get("labels") or [None])[0]} if "labels" in old else row
        for row, old in zip(kept, rows, strict=True)
    ]
