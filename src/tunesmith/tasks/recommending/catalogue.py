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
LARGEST = 3e38
"""Numbers beyond are none."""

Kinds = dict[str, tuple[float, float] | None]
"""Column -> mean and spread of one of numbers, None of one of names; columns of neither are left out."""


@dataclass
class Catalogue:
    """Items in the order of their codes.

    Args:
        ids: each once.
        texts: what a model reads; "" where there is none.
        columns: name -> a cell for each item.
        kinds: what each column was when the ranker was fitted, whatever cells came since; None: told by the cells.
    """

    ids: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    columns: dict[str, list[Any]] = field(default_factory=dict)
    kinds: Kinds | None = None

    def __post_init__(self) -> None:
        """Codes by id, and columns as arrays."""
        self.code = {one: i for i, one in enumerate(self.ids)}
        self.names: dict[str, np.ndarray] = {}
        self.numbers: dict[str, np.ndarray] = {}
        if self.kinds is None:
            self.kinds = _kinds(self.columns)
        for name, kind in self.kinds.items():
            if kind is None:
                self.names[name] = _names(self.columns[name])
            else:
                self.numbers[name] = (_floats(self.columns[name]) - kind[0]) / kind[1]

    def __len__(self) -> int:
        return len(self.ids)

    def grown(self, ids: Sequence[str], texts: Sequence[str], columns: Mapping[str, Sequence[Any]]) -> Catalogue:
        """With items after its own; a column that they lack is empty for them, and each stays of its kind."""
        more = {name: [*cells, *(columns.get(name) or [None] * len(ids))] for name, cells in self.columns.items()}
        return Catalogue([*self.ids, *ids], [*self.texts, *texts], more, self.kinds)

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
        texts = {"ids": packed_texts(self.ids), "texts": packed_texts(self.texts)}
        kinds = {name: None if kind is None else list(kind) for name, kind in (self.kinds or {}).items()}
        return {**texts, "columns": columns, "kinds": kinds}

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> Catalogue:
        """What ``to_state`` told; of a state without kinds, the cells tell them."""
        columns = {name: unpacked_texts(cells) for name, cells in state["columns"].items()}
        told = state.get("kinds")
        kinds = None if told is None else {name: kind and (kind[0], kind[1]) for name, kind in told.items()}
        return cls(unpacked_texts(state["ids"]), unpacked_texts(state["texts"]), columns, kinds)


def apart(one: frozenset[str], other: frozenset[str]) -> float:
    """1 - the share that two items have in common (Jaccard 1912)."""
    together = len(one | other)
    return 1.0 - len(one & other) / together if together else 1.0


def _plain(cell: Any) -> Any:
    return cell if cell is None or isinstance(cell, str | int | float | bool | list) else str(cell)


def _kinds(columns: Mapping[str, Sequence[Any]]) -> Kinds:
    """By the cells: all numbers, else names that stand with several items."""
    kinds: Kinds = {}
    for name, cells in columns.items():
        if (scale := _scale(cells)) is not None:
            kinds[name] = scale
        elif _names(cells).max(initial=-1) >= 0:
            kinds[name] = None
    return kinds


def _scale(cells: Sequence[Any]) -> tuple[float, float] | None:
    """Mean and spread of a column of numbers; None where it holds others, or but one."""
    filled = [_float(cell) for cell in cells if cell not in (None, "")]
    if None in filled or len({number for number in filled if number == number}) < 2:
        return None
    values = _floats(cells)
    return float(np.nanmean(values)), max(float(np.nanstd(values)), 1e-6)


def _floats(cells: Sequence[Any]) -> np.ndarray:
    """float32 [cells], NaN where there is no number."""
    numbers = [None if cell in (None, "") else _float(cell) for cell in cells]
    return np.array([np.nan if number is None else number for number in numbers], np.float32)


def _float(cell: Any) -> float | None:
    """As float32 can hold it; None of what is no number."""
    try:
        number = float(cell)
    except (TypeError, ValueError):
        return None
    return None if abs(number) > LARGEST else number


def _names(cells: Sequence[Any]) -> np.ndarray:
    """[items, names of a cell] codes of names that stand with several items, -1 where there is none."""
    listed = [cell_names(cell)[:MOST_NAMES] for cell in cells]
    counts: dict[str, int] = {}
    for names in listed:
        for name in names:
            counts[name] = counts.get(name, 0) + 1
    known = {name: i for i, name in enumerate(name for name, count in counts.items() if count >= FEWEST)}
    width = max((len(names) for names in listed), default=0)
    found = np.full((len(cells), max(1, width)), -1, np.int32)
    for i, names in enumerate(listed):
        codes = [known[name] for name in names if name in known]
        found[i, : len(codes)] = codes
    return found
