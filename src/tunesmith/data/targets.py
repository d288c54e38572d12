"""What rows are to teach, as one code a row: for strata, conflicts and duplicates, whatever the task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tunesmith.data.dialect import is_number
from tunesmith.data.roles import label_array, roles
from tunesmith.data.rows import Rows
from tunesmith.data.shapes import NAMES


@dataclass
class Targets:
    """``codes`` [rows], int32, into ``names``; -1 where a row has no label."""

    kind: str
    """"label", "labels", "number" or "none"."""
    codes: np.ndarray
    names: list[str]
    counts: dict[str, int]
    """Label -> rows; a row of several labels counts for each."""

    @property
    def classes(self) -> int:
        """Different labels that occur."""
        return len(self.counts)


def targets(rows: Rows, columns: Mapping[str, str | list[str]]) -> Targets:
    """The targets of rows. A row of several labels has the rarest of them as its code."""
    for role in ("labels", NAMES):
        if role in columns:
            return _of_many(rows, columns[role])
    label = columns.get("label")
    if not isinstance(label, str) or label not in rows.columns:
        return Targets("none", np.zeros(len(rows), np.int32), [""], {})
    codes, names = label_array(rows, label)
    if is_measure(names):
        return _of_numbers(codes, names)
    totals = np.bincount(codes[codes >= 0], minlength=len(names))
    order = np.argsort(-totals, kind="stable")
    return Targets("label", codes, names, {names[i]: int(totals[i]) for i in order if totals[i]})


def is_measure(names: list[str]) -> bool:
    """Whether labels are numbers of so many values that they measure rather than name."""
    if len(names) <= 10 or not all(is_number(n) for n in names):
        return False
    return len(names) > 50 or any(float(n) != int(float(n)) for n in names)


def _of_numbers(codes: np.ndarray, names: list[str]) -> Targets:
    """Tenths of the values as strata."""
    values = np.array([*map(float, names), np.nan])[codes]
    edges = np.nanquantile(values, np.linspace(0.1, 0.9, 9))
    bins = np.where(codes < 0, -1, np.searchsorted(edges, values, side="right")).astype(np.int32)
    labels = [f"tenth {i + 1}" for i in range(10)]
    totals = np.bincount(bins[bins >= 0], minlength=10)
    return Targets("number", bins, labels, {n: int(t) for n, t in zip(labels, totals, strict=True) if t})


def _of_many(rows: Rows, column: str | list[str]) -> Targets:
    cells = [row["labels"] for row in roles(rows, {"labels": column})]
    counts = Counter(label for cell in cells for label in cell)
    names = sorted(counts)
    code = {name: i for i, name in enumerate(names)}
    rarest = [min((counts[c], c) for c in cell)[1] if cell else None for cell in cells]
    codes = np.array([-1 if r is None else code[r] for r in rarest], np.int32)
    return Targets("labels", codes, names, dict(counts.most_common()))
