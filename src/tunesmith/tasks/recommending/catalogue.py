"""The items that can be recommended: ids, texts, and columns as numbers and as names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tunesmith.data.cell_names import cell_names
from tunesmith.data.word_runs import words
from tunesmith.tasks.recommending.packed import packed_texts, unpacked_texts

MOST_NAMES = 8
"""Names of one cell that are looked at."""
FEWEST = 2
"""Items that a name must stand with to be worth a look."""


@dataclass
class Catalogue:
    """Items in the order of their codes.

    Args:
        ids: each once.
        texts: what a model reads; "" where there is none.
        columns: name -> a cell for each item.
    """

    ids: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    columns: dict[str, list[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Codes by id, and columns as arrays."""
        self.code = {one: i for i, one in enumerate(self.ids)}
        self.names: dict[str, np.ndarray] = {}
        self.numbers: dict[str, np.ndarray] = {}
        for name, cells in self.columns.items():
            if (found := _numbers(cells)) is not None:
                self.numbers[name] = found
            elif (codes := _names(cells)) is not None:
                self.names[name] = codes

    def __len__(self) -> int:
        return len(self.ids)

    def grown(self, ids: Sequence[str], texts: Sequence[str], columns: Mapping[str, Sequence[Any]]) -> Catalogue:
        """With items after its own; a column that they lack is empty for them."""
        more = {name: [*cells, *(columns.get(name) or [None] * len(ids))] for name, cells in self.columns.items()}
        return Catalogue([*self.ids, *ids], [*self.texts, *texts], more)

    def codes(self, ids: Sequence[str]) -> tuple[list[int], list[str]]:
        """Codes of the ids that are in it, and the ids that are not."""
        found = [self.code.get(one) for one in ids]
        unknown = [one for one, code in zip(ids, found, strict=True) if code is None]
        return [code for code in found if code is not None], list(dict.fromkeys(unknown))

    def told(self, code: int) -> dict[str, Any]:
        """An item as a prediction names it."""
        text = self.texts[code]
        return {"item": self.ids[code], **({"text": text} if text else {})}

    def features(self, code: int) -> frozenset[str]:
        """What two items are compared by for variety: the names in their columns, or the words of their texts."""
        names = {f"{name}={value}" for name in self.names for value in cell_names(self.columns[name][code])}
        return frozenset(names or words(self.texts[code]) or [self.ids[code]])

    def to_state(self) -> dict[str, Any]:
        """As JSON values."""
        columns = {name: packed_texts([_plain(cell) for cell in cells]) for name, cells in self.columns.items()}
        return {"ids": packed_texts(self.ids), "texts": packed_texts(self.texts), "columns": columns}

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> Catalogue:
        """What ``to_state`` told."""
        columns = {name: unpacked_texts(cells) for name, cells in state["columns"].items()}
        return cls(unpacked_texts(state["ids"]), unpacked_texts(state["texts"]), columns)


def apart(one: frozenset[str], other: frozenset[str]) -> float:
    """1 - the share that two items have in common (Jaccard 1912)."""
    together = len(one | other)
    return 1.0 - len(one & other) / together if together else 1.0


def _plain(cell: Any) -> Any:
    return cell if cell is None or isinstance(cell, str | int | float | bool | list) else str(cell)


def _numbers(cells: Sequence[Any]) -> np.ndarray | None:
    """Numbers around 0 with a spread of 1, NaN where there is none; None where the column holds others."""
    filled = [cell for cell in cells if cell not in (None, "")]
    try:
        values = np.array([np.nan if cell in (None, "") else float(cell) for cell in cells], np.float32)
    except (TypeError, ValueError):
        return None
    if len({*filled}) < 2 or not np.isfinite(values[~np.isnan(values)]).all():
        return None
    centred: np.ndarray = (values - np.nanmean(values)) / max(float(np.nanstd(values)), 1e-6)
    return centred


def _names(cells: Sequence[Any]) -> np.ndarray | None:
    """[items, names of a cell] codes, -1 where there is none; None where no name stands with several items."""
    listed = [cell_names(cell)[:MOST_NAMES] for cell in cells]
    counts: dict[str, int] = {}
    for names in listed:
        for name in names:
            counts[name] = counts.get(name, 0) + 1
    known = {name: i for i, name in enumerate(name for name, count in counts.items() if count >= FEWEST)}
    if not known:
        return None
    width = max(len(names) for names in listed)
    found = np.full((len(cells), max(1, width)), -1, np.int32)
    for i, names in enumerate(listed):
        codes = [known[name] for name in names if name in known]
        found[i, : len(codes)] = codes
    return found
