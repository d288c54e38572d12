"""Write Label Studio's JSON: tasks with people's annotations, or with a model's predictions for people to mend."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar
from xml.sax.saxutils import quoteattr

from tunesmith.data.formats.documents import documents
from tunesmith.data.formats.format import Format, Row, Writing, count_left


class LabelStudioFormat(Format):
    """A task a text. Rows whose spans or label have a score are written as predictions, others as annotations.

    Beside the file goes a labelling interface with the same names and all labels, ``NAME.xml``, for the project's
    settings. Offsets are characters, as Label Studio counts today.

    Args:
        model: the name that predictions bear.
    """

    name: ClassVar[str] = "label-studio"
    summary: ClassVar[str] = "Label Studio's JSON: spans, relations, choices; predictions where they have scores"
    needs: ClassVar[tuple[tuple[str, ...], ...]] = (("text",),)
    holds: ClassVar[tuple[str, ...]] = ("spans", "relations", "label", "labels")

    def __init__(self, model: str = "tunesmith") -> None:
        self.model = model

    def beside(self, path: Path) -> Path | None:
        """The labelling interface."""
        return path.with_suffix(".xml")

    def write(self, rows: Iterable[Row], path: Path, writing: Writing) -> None:
        """A task a document, and the interface."""
        labels: dict[str, dict[str, None]] = {"labels": {}, "choices": {}, "relation": {}}
        with path.open("w", encoding="utf-8", newline="") as file:
            for row in documents(rows):
                count_left(self, row, writing)
                made = task(row, writing.entries + 1, self.model)
                file.write(("[\n" if not writing.entries else ",\n") + json.dumps(made, ensure_ascii=False))
                writing.entries += 1
                for kind, label in _labels(row):
                    labels[kind][label] = None
            file.write("\n]\n" if writing.entries else "[]\n")
        beside = path.with_suffix(".xml")
        beside.write_text(interface(labels), "utf-8")
        writing.beside.append(beside)


def task(row: Row, number: int, model: str) -> dict[str, Any]:
    """One task; without an answer where the row has none."""
    made = {"id": row.get("id", number), "data": {**row.get("extra", {}), "text": row["text"]}}
    results = list(_results(row))
    if all(row.get(role) is None for role in ("spans", "label", "labels")):
        return made
    scores = [result["score"] for result in results if "score" in result] or [
        score for score in [row.get("score")] if score is not None
    ]
    if not scores:
        return {**made, "annotations": [{"result": results}]}
    return {**made, "predictions": [{"model_version": model, "score": min(scores), "result": results}]}


def _results(row: Row) -> Iterator[dict[str, Any]]:
    names = {"from_name": "label", "to_name": "text"}
    for i, span in enumerate(row.get("spans") or [], 1):
        place = {"start": span["start"], "end": span["end"], "text": row["text"][span["start"] : span["end"]]}
        score = {"score": span["score"]} if span.get("score") is not None else {}
        yield {"id": f"s{i}", **names, "type": "labels", "value": {**place, "labels": [span["label"]]}, **score}
    for relation in row.get("relations") or []:
        ends = {"from_id": f"s{relation['head'] + 1}", "to_id": f"s{relation['tail'] + 1}"}
        yield {**ends, "type": "relation", "direction": "right", "labels": [relation["label"]]}
    choices = row.get("labels") or ([row["label"]] if row.get("label") is not None else [])
    if choices or row.get("labels") is not None:
        yield {"id": "c1", "from_name": "choice", "to_name": "text", "type": "choices", "value": {"choices": choices}}


def _labels(row: Row) -> Iterator[tuple[str, str]]:
    """(kind of control, label) of all that a row has."""
    yield from (("labels", str(span["label"])) for span in row.get("spans") or [])
    yield from (("relation", str(relation["label"])) for relation in row.get("relations") or [])
    yield from (("choices", str(label)) for label in row.get("labels") or [])
    if row.get("label") is not None:
        yield "choices", str(row["label"])


def interface(labels: dict[str, dict[str, None]]) -> str:
    """The labelling interface in which such tasks show, as XML."""
    parts = ["<View>"]
    if labels["labels"]:
        values = "".join(f"\n    <Label value={quoteattr(label)}/>" for label in labels["labels"])
        parts.append(f'  <Labels name="label" toName="text">{values}\n  </Labels>')
    if labels["relation"]:
        values = "".join(f"\n    <Relation value={quoteattr(label)}/>" for label in labels["relation"])
        parts.append(f"  <Relations>{values}\n  </Relations>")
    if labels["choices"]:
        values = "".join(f"\n    <Choice value={quoteattr(label)}/>" for label in labels["choices"])
        parts.append(f'  <Choices name="choice" toName="text" choice="multiple">{values}\n  </Choices>')
    return "\n".join([*parts, '  <Text name="text" value="$text"/>', "</View>\n"])
