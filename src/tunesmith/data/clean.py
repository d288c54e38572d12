"""Rows made fit to learn from. What is changed or left out is counted, with examples."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tunesmith.core.errors import DataError
from tunesmith.data.codes import blocks, hashes, joined, texts_of
from tunesmith.data.duplicates import exact_groups
from tunesmith.data.normal import normal_texts
from tunesmith.data.redact import redact_texts
from tunesmith.data.rows import Rows
from tunesmith.data.settle import settled
from tunesmith.data.shapes import TEXTS
from tunesmith.data.sources.source import Reading
from tunesmith.data.spill import Spill
from tunesmith.data.targets import targets

EXAMPLES = 5
INPUTS = (
    "words", "choices", "predicate", "head", "tail", "negatives", "image", "audio", "numeric", "categorical",
    "rejected", "control", "beginning", "length",
)  # fmt: skip
BESIDE_TEXT = ("image", "audio", "numeric", "categorical")
"""Roles beside which a text may be missing."""
OPTIONAL = ("context",)
"""Roles of texts that a row may lack; where a task cannot do without, its shape says so."""
WRITTEN = ("target", "completion")
"""Roles of texts that are written, and not read."""
TARGET_ROLES = ("labels", "spans", "roles", "relations", "answers", "answer", "score", "desirable")


@dataclass
class CleanReport:
    """What cleaning did; numbers are rows."""

    before: int = 0
    after: int = 0
    normalised: int = 0
    empty: int = 0
    """Left out: no text."""
    unlabelled: int = 0
    """Left out: no label."""
    duplicates: int = 0
    """Left out: the same text with the same label stood above."""
    conflicts: int = 0
    """The same text stands under several labels."""
    conflicts_dropped: int = 0
    broken: int = 0
    """Not readable; never part of the rows."""
    labels: list[str] = field(default_factory=list)
    """What was done to labels, in words."""
    redacted: dict[str, int] = field(default_factory=dict)
    """Kind of personal data -> places replaced."""
    examples: dict[str, list[str]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Its fields."""
        return asdict(self)

    def notes(self) -> list[str]:
        """What was done, in words; empty when nothing was."""
        said = {
            f"{self.broken} broken rows could not be read.": self.broken,
            f"{self.empty} rows without text were left out.": self.empty,
            f"{self.unlabelled} rows without a label were left out.": self.unlabelled,
            f"{self.duplicates} exact duplicates were left out.": self.duplicates,
            f"{self.conflicts} rows have a text that stands under several labels"
            f"{'; they were left out' if self.conflicts_dropped else ''}.": self.conflicts,
            f"{self.normalised} texts were normalised.": self.normalised,
            f"Personal data was replaced: {_listed(self.redacted)}.": len(self.redacted),
        }
        return [*(text for text, count in said.items() if count), *self.labels]


def clean(
    rows: Rows,
    columns: Mapping[str, str | list[str]],
    *,
    normalise: bool = True,
    duplicates: bool = True,
    conflicts: str = "keep",
    redact: bool = False,
) -> tuple[Rows, CleanReport]:
    """Normalise texts, settle labels, leave out rows without text or label and exact duplicates of text and label.

    Args:
        columns: role -> column.
        conflicts: "keep" or "drop" rows whose text stands under several labels.
        redact: replace personal data by placeholders.

    Raises:
        DataError: no row is left.
    """
    report = CleanReport(before=len(rows), broken=len(rows.broken))
    names = text_columns(columns)
    rows = settled(rows, columns, report.labels)
    if normalise or redact:
        rows = _rewritten(rows, names, normalise, redact, report)
    keep = _filled(rows, columns, names, report)
    keys = text_keys(rows, names + other_inputs(columns))
    codes = label_keys(rows, columns)
    if duplicates and names:
        keep &= _first_ones(rows, names, joined(keys.copy(), codes), keep, report)
    keep &= _agreeing(rows, names, keys, codes, keep, conflicts == "drop", report)
    report.after = int(keep.sum())
    if not report.after:
        why = " ".join(report.notes())
        raise DataError(f"No row is left of {len(rows)} after cleaning: {why}", "Check which columns were taken.")
    return (rows if report.after == len(rows) else rows.select(np.flatnonzero(keep))), report


def write_broken(rows: Rows | Reading, path: str | Path) -> int:
    """Write the broken rows of what was read to a CSV file (file, line, reason, text); how many. None: no file."""
    if not rows.broken:
        return 0
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "line", "reason", "text"])
        writer.writerows((b.file, b.line, b.reason, b.text) for b in rows.broken)
    return len(rows.broken)


def text_columns(columns: Mapping[str, str | list[str]]) -> list[str]:
    """Columns that play a text's role."""
    return [c for role, c in columns.items() if role in TEXTS and isinstance(c, str)]


def read_columns(columns: Mapping[str, str | list[str]]) -> list[str]:
    """Columns of the texts that several rows may share, and say something else of each: the prompt or source of what is
    written, the text that questions are asked of, the query of pairs that belong together; none of other tasks.
    """
    if isinstance(columns.get("context"), str):
        return [str(columns["context"])]
    if "text_pair" in columns and not set(columns) & {"label", "labels", "score"}:
        return [c for c in (columns.get("text"),) if isinstance(c, str)]
    if not set(columns) & set(WRITTEN):
        return []
    return [c for role, c in columns.items() if role in TEXTS and role not in WRITTEN and isinstance(c, str)]


def other_inputs(columns: Mapping[str, str | list[str]]) -> list[str]:
    """Columns that tell rows of the same text apart: the choices, the predicate, the two entities, the worse answer."""
    return [c for role, c in columns.items() if role in INPUTS and isinstance(c, str)]


def _needed(columns: Mapping[str, str | list[str]]) -> list[str]:
    """Columns of texts that no row may lack."""
    if set(columns) & set(BESIDE_TEXT):
        return []
    return [c for role, c in columns.items() if role in TEXTS and role not in OPTIONAL and isinstance(c, str)]


def text_keys(rows: Rows, names: Sequence[str]) -> np.ndarray:
    """A hash of each row's texts. Shape [rows], uint64."""
    total = np.zeros(len(rows), np.uint64)
    for name in names:
        total = joined(total, hashes(rows.column(name)))
    return total


def label_keys(rows: Rows, columns: Mapping[str, str | list[str]]) -> np.ndarray:
    """A key of each row's label or labels. Shape [rows], uint64."""
    exact = [columns[role] for role in TARGET_ROLES if role in columns]
    if not exact:
        found = targets(rows, columns)
        if found.kind != "number":
            return (found.codes.astype(np.int64) + 1).astype(np.uint64)
        exact = [columns["label"]]
    total = np.zeros(len(rows), np.uint64)
    for name in [name for value in exact for name in ([value] if isinstance(value, str) else value)]:
        total = joined(total, hashes(_as_texts(rows.column(name))))
    return total


def conflicting(keys: np.ndarray, codes: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Which rows have a text that stands under several labels. Shape [rows], bool."""
    found = np.zeros(len(keys), bool)
    rows = np.flatnonzero(among)
    order = rows[np.lexsort((codes[rows], keys[rows]))]
    same_text = keys[order][1:] == keys[order][:-1]
    differ = same_text & (codes[order][1:] != codes[order][:-1])
    texts = np.unique(keys[order][1:][differ])
    found[rows] = np.isin(keys[rows], texts)
    return found


def _rewritten(rows: Rows, names: list[str], normalise: bool, redact: bool, report: CleanReport) -> Rows:
    counts: Counter[str] = Counter()
    for name in names:
        spill, column = Spill(), texts_of(rows.column(name))
        for _, array in blocks(column):
            made = normal_texts(array) if normalise else array
            if normalise:
                changed = pc.not_equal(array, made)
                report.normalised += pc.sum(changed).as_py() or 0
            made = redact_texts(made, counts) if redact else made
            spill.add(pa.RecordBatch.from_arrays([made], names=[name]))
        if spill.rows:
            rows = rows.replace(name, spill.table().column(0))
    report.redacted = dict(counts)
    return rows


def _filled(rows: Rows, columns: Mapping[str, str | list[str]], names: list[str], report: CleanReport) -> np.ndarray:
    """Rows that have a text and, where there is a label's column, a label. No labels at all is a valid set."""
    keep = np.ones(len(rows), bool)
    for name in _needed(columns):
        length = pc.binary_length(pc.utf8_trim_whitespace(texts_of(rows.column(name))))
        keep &= np.asarray(length) > 0
    report.empty = int((~keep).sum())
    found = targets(rows, {"label": columns["label"]}) if "label" in columns else None
    if found is not None and found.kind != "none":
        labelled = found.codes >= 0
        report.unlabelled = int((keep & ~labelled).sum())
        _show(report, "unlabelled", rows, names, np.flatnonzero(keep & ~labelled))
        keep &= labelled
    return keep


def _first_ones(rows: Rows, names: list[str], keys: np.ndarray, keep: np.ndarray, report: CleanReport) -> np.ndarray:
    among = np.flatnonzero(keep)
    first = exact_groups(keys[among]) == np.arange(len(among))
    report.duplicates = int((~first).sum())
    _show(report, "duplicates", rows, names, among[~first])
    found = np.zeros(len(rows), bool)
    found[among[first]] = True
    return found


def _agreeing(
    rows: Rows, names: list[str], keys: np.ndarray, codes: np.ndarray, keep: np.ndarray, drop: bool, report: CleanReport
) -> np.ndarray:
    clash = conflicting(keys, codes, keep) if names else np.zeros(len(rows), bool)
    report.conflicts = int(clash.sum())
    report.conflicts_dropped = report.conflicts if drop else 0
    _show(report, "conflicts", rows, names, np.flatnonzero(clash))
    return ~clash if drop else np.ones(len(rows), bool)


def _show(report: CleanReport, what: str, rows: Rows, names: list[str], places: np.ndarray) -> None:
    if len(places) and names:
        report.examples[what] = [str(t)[:200] for t in rows.select(places[:EXAMPLES]).column(names[0]).to_pylist()]


def _as_texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    from tunesmith.data.cells import as_text

    if pa.types.is_nested(column.type):
        return pa.chunked_array([pa.array([as_text(v) for v in column.to_pylist()], pa.large_string())])
    return column.cast(pa.large_string())


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())
