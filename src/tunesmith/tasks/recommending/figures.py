"""How good lists are, how varied, how much of the catalogue they show, and how much they lean to what is popular."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from tunesmith.core.contracts import Evidence, Prediction, Row
from tunesmith.tasks.recommending.catalogue import apart
from tunesmith.tasks.recommending.memory import Memory

PLACES = 10
"""Items of a list that are measured."""
SHOWN = 120
"""Characters of a text in the evidence."""


def evidence(memory: Memory, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Evidence:
    """What the metrics read.

    Returns:
        ``rank`` [rows], the place of what was taken in the list, infinite where it is not in it; ``hit``: it is among
        the first ten; ``confidence``: the first one's score; ``true``, ``predicted_as``: texts. ``cold`` bool [rows]:
        no training row has what was taken. ``listed`` int [rows, 10], codes, -1 where the list is shorter;
        ``catalogue`` [rows], items in all; ``variety`` [rows], mean distance of two items of the list; ``lift``
        [rows], log2 of how much more popular the list is than what the user took.
    """
    catalogue = memory.catalogue
    ids = [[one["item"] for one in prediction["items"]] for prediction in predictions]
    rank = np.array(
        [listed.index(str(row["item"])) + 1 if str(row["item"]) in listed else np.inf
         for row, listed in zip(rows, ids, strict=True)],
        dtype=np.float64,
    )  # fmt: skip
    listed = np.full((len(rows), PLACES), -1, np.int64)
    for i, names in enumerate(ids):
        codes, _ = catalogue.codes(names[:PLACES])
        listed[i, : len(codes)] = codes
    targets = np.array([catalogue.code.get(str(row["item"]), -1) for row in rows])
    return {
        "rank": rank,
        "hit": rank <= PLACES,
        "confidence": np.array([float(p["items"][0].get("score", 0)) if p["items"] else 0.0 for p in predictions]),
        "true": np.array([_text(memory, int(code), str(row["item"])) for code, row in zip(targets, rows, strict=True)],
                         dtype=object),
        "predicted_as": np.array([_text(memory, int(line[0]), "") for line in listed], dtype=object),
        "cold": np.array([code < 0 or memory.taught[code] == 0 for code in targets], bool),
        "listed": listed,
        "catalogue": np.full(len(rows), len(catalogue)),
        "variety": _variety(memory, listed),
        "lift": _lift(memory, rows, listed),
    }  # fmt: skip


def _text(memory: Memory, code: int, name: str) -> str:
    return (memory.catalogue.texts[code] or memory.catalogue.ids[code])[:SHOWN] if code >= 0 else name


def _variety(memory: Memory, listed: np.ndarray) -> np.ndarray:
    """[rows]; NaN where a list has fewer than two items."""
    features = {int(code): memory.catalogue.features(int(code)) for code in np.unique(listed[listed >= 0])}
    found = np.full(len(listed), np.nan)
    for i, line in enumerate(listed):
        pairs = [apart(features[a], features[b]) for a, b in combinations(line[line >= 0].tolist(), 2)]
        if pairs:
            found[i] = float(np.mean(pairs))
    return found


def _lift(memory: Memory, rows: Sequence[Row], listed: np.ndarray) -> np.ndarray:
    """[rows]; NaN where nothing was taken, or nothing is listed."""
    counts = memory.taught + 1.0
    found = np.full(len(listed), np.nan)
    for i, (row, line) in enumerate(zip(rows, listed, strict=True)):
        history = row.get("history")
        if history is None:
            codes = memory.taken.items[memory.taken.before(str(row.get("user", "")), row.get("time"))]
        else:
            codes = np.array(memory.catalogue.codes([str(event["item"]) for event in history])[0], np.int64)
        line = line[line >= 0]
        if len(codes) and len(line):
            found[i] = float(np.log2(counts[line].mean() / counts[codes].mean()))
    return found
