"""doccano's JSON lines: spans, relations between them, or labels of whole texts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import pyarrow as pa

from tunesmith.data.rows import BrokenRow
from tunesmith.data.sources.jsonl import objects
from tunesmith.data.sources.offsets import Units, from_utf16, pairs_of_ids, utf16_length, wide
from tunesmith.data.sources.source import Reading, Source, batched, lines_of

TEXT = ("text", "data")
LABEL = ("label", "labels")
OWN = {"id", "text", "data", "label", "labels", "entities", "relations", "Comments", "comments", "annotation_approver"}
"""Keys that doccano writes; others are metadata of the user."""
WIDE = (
    "texts with spans have emoji or other characters that doccano's page counts as two, unless the project counts "
    "grapheme clusters; here each is one"
)

PROVING = 0.05
"""Share of the texts with such characters whose places must say that UTF-16 was counted: one alone may be a slip."""


class Doccano(Source):
    """doccano's export: ``text`` with ``spans``, ``spans`` and ``relations``, or ``label`` / ``labels``.

    Args:
        encoding: None: detected.
        offsets: "characters", or "utf-16", as doccano's page counts where a project does not count grapheme clusters:
            a character outside the basic plane (most emoji) is two. None: UTF-16 where some span fits its text only so.
    """

    name: ClassVar[str] = "doccano"
    summary: ClassVar[str] = "doccano's JSON lines: spans, relations, or labels of texts, also gzipped"

    def __init__(self, encoding: str | None = None, offsets: Units | None = None) -> None:
        self.encoding = encoding
        self.offsets: Units | None = offsets

    @classmethod
    def recognises(cls, head: str) -> str:
        """Objects with a text and spans ``[start, end, label]``, entities with ``start_offset``, or id and labels."""
        found = [value for value in map(_object, lines_of(head)[:50]) if isinstance(value, dict)]
        if sum(_text_key(value) is not None for value in found) < max(0.8 * len(found), 1):
            return ""
        if any(_listed(value, "entities", lambda e: isinstance(e, Mapping) and "start_offset" in e) for value in found):
            return "its entities have start_offset and end_offset"
        if any(_listed(value, key, _is_triple) for value in found for key in LABEL):
            return "its labels are [start, end, label]"
        whole = all({"id"} <= set(value) <= OWN and _texts(value.get("label")) for value in found)
        return "each line has id, text and a list of labels" if whole else ""

    def batches(self, path: str, reading: Reading) -> Iterator[pa.RecordBatch]:
        """The file's texts."""
        first = len(reading.broken)
        entries = list(objects(path, self.encoding, reading))
        kind = _kind([entry for _, entry in entries])
        proofs = [_only_utf16(entry) for _, entry in entries if wide(entry.get(_text_key(entry) or "", ""))]
        proven = kind == "spans" and sum(proofs) >= max(1, PROVING * len(proofs))
        offsets: Units = self.offsets or ("utf-16" if proven else "characters")
        if proven and self.offsets is None:
            reading.note(f"{path}: places of spans are counted in UTF-16 units, since some lie in their text only so.")
        rows = []
        for number, entry in entries:
            try:
                row = row_of(entry, kind, offsets)
            except ValueError as error:
                reading.broken.append(BrokenRow(path, number, str(error), json.dumps(entry, ensure_ascii=False)[:500]))
                continue
            reading.counts[WIDE] += bool(row.get("spans")) and wide(row["text"]) and offsets == "characters"
            rows.append(row)
        reading.broken[first:] = sorted(reading.broken[first:], key=lambda row: row.line)
        yield from batched(rows)


def _kind(entries: Iterable[Mapping[str, Any]]) -> str:
    """What labels are: of spans, or of texts, one ("label") or several ("labels") a text."""
    most = 0
    for entry in entries:
        if "entities" in entry or any(_listed(entry, key, _is_triple) for key in LABEL):
            return "spans"
        most = max([most, *(len(entry[key]) for key in LABEL if _texts(entry.get(key)))])
    return "labels" if most > 1 else "label" if most else "spans"


def _only_utf16(entry: Mapping[str, Any]) -> bool:
    """Whether spans end behind the text's characters, and all of them within its UTF-16 units."""
    key = _text_key(entry)
    if key is None or not wide(entry[key]):
        return False
    given = entry.get("entities", next((entry[name] for name in LABEL if name in entry), None))
    ends = [
        span.get("end_offset", span.get("end")) if isinstance(span, Mapping) else span[1]
        for span in (given if isinstance(given, list) else [])
        if isinstance(span, Mapping) or _is_triple(span)
    ]
    last = max((end for end in ends if isinstance(end, int)), default=0)
    return len(entry[key]) < last <= utf16_length(entry[key])


def row_of(entry: Mapping[str, Any], kind: str, offsets: Units) -> dict[str, Any]:
    """One line as a row.

    Args:
        entry: the line's object.
        kind: what its labels are: "spans", "label" or "labels".
        offsets: in which units spans are.

    Raises:
        ValueError: it has no text, or its labels are no list; a relation's end is not there.
    """
    key = _text_key(entry)
    if key is None:
        raise ValueError("no text")
    text = entry[key]
    extra = {name: value for name, value in entry.items() if name not in OWN and not isinstance(value, list | dict)}
    row: dict[str, Any] = {**({"id": entry["id"]} if "id" in entry else {}), "text": text, **extra}
    labels = next((entry[name] for name in LABEL if name in entry), None)
    if kind != "spans":
        named = [labels] if isinstance(labels, str) else labels
        if named is not None and not isinstance(named, list):
            raise ValueError(f"label is a {type(labels).__name__}, not a list")
        return {**row, kind: named if kind == "labels" else next(iter(named or []), None)}
    given = entry.get("entities", labels)
    if given is None:
        return row
    if not isinstance(given, list):
        raise ValueError(f"label is a {type(given).__name__}, not a list")
    row["spans"] = [_span(span, text, offsets) for span in given]
    if isinstance(entry.get("relations"), list):
        row["relations"] = pairs_of_ids(
            [(r.get("from_id"), r.get("to_id"), r.get("type", r.get("label"))) for r in entry["relations"]],
            [span.get("id") if isinstance(span, Mapping) else None for span in given],
        )
    return row


def _span(span: Any, text: str, offsets: Units) -> Any:
    if isinstance(span, Mapping):
        start, end = span.get("start_offset", span.get("start")), span.get("end_offset", span.get("end"))
        label = span.get("label")
    elif isinstance(span, Sequence) and len(span) == 3:
        start, end, label = span
    else:
        raise ValueError(f"{json.dumps(span, ensure_ascii=False)} is not [start, end, label]")
    if offsets == "utf-16" and isinstance(start, int) and isinstance(end, int):
        start, end = from_utf16(text, start), from_utf16(text, end)
    return {"start": start, "end": end, "label": label}


def _object(line: str) -> Any:
    try:
        return json.loads(line) if line.startswith("{") else None
    except ValueError:
        return None


def _text_key(entry: Mapping[str, Any]) -> str | None:
    return next((key for key in TEXT if isinstance(entry.get(key), str)), None)


def _listed(entry: Mapping[str, Any], key: str, test: Any) -> bool:
    value = entry.get(key)
    return isinstance(value, list) and bool(value) and all(map(test, value))


def _is_triple(value: Any) -> bool:
    return (
        isinstance(value, list) and len(value) == 3
        and isinstance(value[0], int) and isinstance(value[1], int) and isinstance(value[2], str)
    )  # fmt: skip


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
