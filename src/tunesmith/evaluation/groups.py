"""Rows that are of groups, which a fair model treats alike: the evidence says so, and the report compares them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tunesmith.core.contracts import Evidence, Row
from tunesmith.data.groups import group_of
from tunesmith.evaluation.evidence import count_classes, hits, kind_of

GAPS = ("parity_gap", "odds_gap")
"""Figures of evidence that holds groups."""
LEAST = 10
"""A group of fewer test rows is not compared: its shares say nothing."""


def group_codes(rows: Sequence[Row]) -> tuple[np.ndarray | None, list[str], list[str]]:
    """The group of each row as an index into names, -1 for none: int[n]; the names, and what is left out, in words.

    None where no two groups are large enough to be compared.
    """
    found = [group_of(row) for row in rows]
    counts = Counter(name for name in found if name is not None)
    names = sorted(name for name, count in counts.items() if count >= LEAST)
    small = [f"{name} ({count})" for name, count in sorted(counts.items()) if count < LEAST]
    notes = [f"Groups of fewer than {LEAST} test rows are not compared: {', '.join(small)}."] if small else []
    if len(names) < 2:
        return None, [], notes
    place = {name: i for i, name in enumerate(names)}
    return np.array([place.get(name or "", -1) for name in found], dtype=np.int64), names, notes


def with_groups(evidences: Mapping[str, Evidence], codes: np.ndarray | None) -> dict[str, Evidence]:
    """The same with the groups, where there are any to compare and each row has one class."""
    if codes is None or any(kind_of(evidence) != "single-label" for evidence in evidences.values()):
        return dict(evidences)
    return {key: {**evidence, "group": codes} for key, evidence in evidences.items()}


def per_group(evidence: Evidence, names: Sequence[str], classes: Sequence[str]) -> list[dict[str, Any]]:
    """For each group its rows, its accuracy, and the share of its rows that gets each class."""
    k = count_classes(evidence)
    table = []
    for i, name in enumerate(names):
        mine = np.asarray(evidence["group"]) == i
        shares = np.bincount(evidence["predicted"][mine], minlength=k) / max(1, mine.sum())
        true = np.bincount(evidence["label"][mine], minlength=k) / max(1, mine.sum())
        table.append(
            {
                "group": name,
                "rows": int(mine.sum()),
                "accuracy": float(hits(evidence)[mine].mean()),
                "given": {str(c): float(share) for c, share in zip(classes, shares, strict=False)},
                "true": {str(c): float(share) for c, share in zip(classes, true, strict=False)},
            }
        )
    return table
