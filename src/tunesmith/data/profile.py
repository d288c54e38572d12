"""What is in the rows, measured, and what of it should worry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tunesmith.data.clean import BESIDE_TEXT, conflicting, label_keys, other_inputs, text_columns, text_keys
from tunesmith.data.codes import texts_of
from tunesmith.data.concerns import concerns
from tunesmith.data.duplicates import exact_groups, joined_texts, near_groups
from tunesmith.data.language import language_of
from tunesmith.data.links import with_contents
from tunesmith.data.personal import count
from tunesmith.data.report import report_text
from tunesmith.data.rows import Rows
from tunesmith.data.targets import targets
from tunesmith.data.traits import spread

SAMPLE = 1000
"""Texts that are tokenised, spread over all rows."""
EXAMPLES = 3


@dataclass
class Lengths:
    """How long texts are."""

    mean: float
    median: float
    p95: float
    longest: int
    counted: int
    """Texts that were measured."""

    @classmethod
    def of(cls, values: np.ndarray) -> Lengths:
        """From the length of each text."""
        if not len(values):
            return cls(0.0, 0.0, 0.0, 0, 0)
        median, p95 = np.quantile(values, (0.5, 0.95))
        return cls(round(float(values.mean()), 1), float(median), float(p95), int(values.max()), len(values))


@dataclass
class Profile:
    """Rows in figures. Shares are 0 to 1, the others are numbers of rows."""

    rows: int
    columns: dict[str, str | list[str]]
    task: str
    language: str
    characters: Lengths
    tokens: Lengths | None
    """None where no tokenizer was at hand."""
    max_length: int | None
    """Tokens that the model takes."""
    truncated: float | None
    """Share of texts longer than that."""
    labels: dict[str, int]
    """Label -> rows, the most frequent first; tenths of the range for numbers."""
    exact_duplicates: int
    """Rows whose text stood above."""
    near_duplicates: int
    """Rows that are, or nearly are, the text of a row above; exact ones included."""
    conflicts: int
    """Rows whose text stands under several labels."""
    conflict_examples: list[dict[str, Any]]
    overlap: dict[str, Any] | None
    """Test rows that are in training, too: ``test_rows``, ``exact``, ``near`` (exact included), ``examples``."""
    empty: int
    unlabelled: int
    broken: int
    broken_examples: list[dict[str, Any]]
    personal: dict[str, int]
    """Kind -> rows in which it is likely."""
    warnings: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Its fields, as JSON values."""
        return asdict(self)

    def to_text(self) -> str:
        """A page to read."""
        return report_text(self)


def profile(
    rows: Rows,
    columns: Mapping[str, str | list[str]],
    *,
    task: str,
    test: Rows | None = None,
    tokenizer: Any = None,
    max_length: int | None = None,
) -> Profile:
    """Measure rows.

    Args:
        columns: role -> column.
        task: the task's name.
        test: rows of a test file, to measure the overlap.
        tokenizer: a transformers tokenizer; None: tokens are not counted.
        max_length: tokens that the model takes; None: the tokenizer's.

    Time and memory are linear in rows.
    """
    beside = bool(set(columns) & set(BESIDE_TEXT))
    texts = text_columns(columns)
    names = texts or other_inputs(columns)[:1]
    column = joined_texts(rows, names)
    found = targets(rows, columns)
    by_content = with_contents([rows] if test is None else [rows, test], columns)  # a file's name tells nothing
    keys = text_keys(by_content[0], texts + other_inputs(columns))
    filled = np.asarray(pc.binary_length(pc.utf8_trim_whitespace(texts_of(rows.column(names[0]))))) > 0
    if beside:  # a row may lack its text; and what is the same in all that it holds is a duplicate, near or not
        filled = np.ones(len(rows), bool)
        near, overlap = _exact(keys, None if test is None else by_content[1], texts + other_inputs(columns))
    else:
        near, overlap = _near(column, keys, rows, test, names)
    clash = (
        conflicting(keys, label_keys(rows, columns), filled & (found.codes >= 0)) if found.counts else ~filled & False
    )
    sample = _sample(column, SAMPLE)
    tokens = _tokens(tokenizer, sample)
    limit = max_length or (getattr(tokenizer, "model_max_length", None) if tokenizer is not None else None)
    made = Profile(
        rows=len(rows),
        columns=dict(columns),
        task=task,
        language=language_of(sample if texts else []),
        characters=Lengths.of(np.asarray(pc.utf8_length(column))),
        tokens=None if tokens is None else Lengths.of(tokens),
        max_length=limit,
        truncated=None if tokens is None or not limit else round(float((tokens > limit).mean()), 4),
        labels=found.counts,
        exact_duplicates=int((exact_groups(keys[filled]) != np.arange(filled.sum())).sum()),
        near_duplicates=near,
        conflicts=int(clash.sum()),
        conflict_examples=_conflicts(rows, columns, names, keys, clash),
        overlap=overlap,
        empty=int((~filled).sum()),
        unlabelled=int((found.codes < 0).sum()) if found.kind in ("label", "number") else 0,
        broken=len(rows.broken),
        broken_examples=[asdict(b) | {"text": b.text[:200]} for b in rows.broken[:EXAMPLES]],
        personal=count(column),
    )
    made.warnings = concerns(made)
    return made


def _exact(keys: np.ndarray, test: Rows | None, names: list[str]) -> tuple[int, dict[str, Any] | None]:
    """Rows that stood above, and the overlap with the test's, by everything that they hold."""
    within = int((exact_groups(keys) != np.arange(len(keys))).sum())
    if test is None:
        return within, None
    same = int(np.isin(text_keys(test, names), keys).sum())
    return within, {"test_rows": len(test), "exact": same, "near": same, "examples": []}


def _near(
    column: pa.ChunkedArray, keys: np.ndarray, rows: Rows, test: Rows | None, names: list[str]
) -> tuple[int, dict[str, Any] | None]:
    """Near duplicates within the rows, and the overlap with the test's, found in one pass over both."""
    if test is None:
        groups = near_groups(column)
        return int((groups != np.arange(len(groups))).sum()), None
    both = pa.chunked_array([*column.chunks, *joined_texts(test, names).chunks], pa.large_string())
    groups = near_groups(both)
    total = len(rows)
    shared = np.isin(groups[total:], np.unique(groups[:total]))
    exact = np.isin(text_keys(test, names), keys)
    examples = [str(t)[:200] for t in test.select(np.flatnonzero(shared)[:EXAMPLES]).column(names[0]).to_pylist()]
    overlap = {
        "test_rows": len(test),
        "exact": int(exact.sum()),
        "near": int((shared | exact).sum()),
        "examples": examples,
    }
    return int((groups[:total] != np.arange(total)).sum()), overlap


def _sample(column: pa.ChunkedArray, most: int) -> list[str]:
    return Rows(pa.table({"text": column})).select(spread(len(column), most)).column("text").to_pylist()  # type: ignore[no-any-return]


def _tokens(tokenizer: Any, texts: list[str]) -> np.ndarray | None:
    if tokenizer is None or not texts:
        return None
    ids = tokenizer([t[:200_000] for t in texts])["input_ids"]
    return np.array([len(i) for i in ids])


def _conflicts(
    rows: Rows, columns: Mapping[str, str | list[str]], names: list[str], keys: np.ndarray, clash: np.ndarray
) -> list[dict[str, Any]]:
    examples: list[dict[str, Any]] = []
    places = np.flatnonzero(clash)
    for key in dict.fromkeys(keys[places[:1000]].tolist()):
        if len(examples) == EXAMPLES:
            break
        same = rows.select(places[keys[places] == np.uint64(key)][:10])
        target = columns.get("label") or columns.get("labels")
        cells = [[_shown(row[c]) for c in ([target] if isinstance(target, str) else target or [])] for row in same]
        examples.append(
            {"text": str(same[0][names[0]])[:200], "labels": list(dict.fromkeys(" ".join(c) for c in cells))}
        )
    return examples


def _shown(cell: Any) -> str:
    return "|".join(map(str, cell)) if isinstance(cell, list) else str(cell)
