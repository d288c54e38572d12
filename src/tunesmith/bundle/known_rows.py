"""Which rows a bundle has met, and what each was for: kept as keys of what they ask, in ``known_rows.npy``.

Files change from week to week, rows drop out of them and come again. A row that was trained on must never be a test row
of a later bundle, whatever file it comes in; so each keeps the part that it had first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tunesmith.data.asking import keys_of
from tunesmith.data.split import STOOD

FILE = "known_rows.npy"
UNKNOWN = -1
KIND = np.dtype([("key", "<u8"), ("part", "u1"), ("earlier", "?")])


@dataclass(frozen=True)
class KnownRows:
    """Keys of rows and the part of each; what was trained on in any part counts as that.

    Args:
        names: roles that are asked.
        keys: uint64, ascending, each once.
        parts: places in ``split.STOOD``, int8.
    """

    names: Sequence[str]
    keys: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint64))
    parts: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int8))

    def __len__(self) -> int:
        return len(self.keys)

    def __call__(self, rows: Iterable[Mapping[str, Any]]) -> np.ndarray:
        """The part of each row; ``UNKNOWN`` where it was never met."""
        keys = keys_of(rows, self.names)
        if not len(self.keys):
            return np.full(len(keys), UNKNOWN, np.int8)
        at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[at] == keys, self.parts[at], UNKNOWN).astype(np.int8)

    def trained(self, rows: Iterable[Mapping[str, Any]]) -> np.ndarray:
        """Which rows were trained on; bool [rows]."""
        return np.asarray(self(rows) == STOOD.index("train"))

    def beside(self, **rows: Iterable[Mapping[str, Any]]) -> KnownRows:
        """With more rows, by part."""
        keys = [keys_of(some, self.names) for some in rows.values()]
        parts = [np.full(len(own), STOOD.index(name), np.int8) for name, own in zip(rows, keys, strict=True)]
        return self._of(np.concatenate([self.keys, *keys]), np.concatenate([self.parts, *parts]))

    def _of(self, keys: np.ndarray, parts: np.ndarray) -> KnownRows:
        keys, parts = keys[keys != 0], parts[keys != 0]
        order = np.lexsort((parts, keys))  # the first part of a key is the one that counts
        once, first = np.unique(keys[order], return_index=True)
        return KnownRows(self.names, once, parts[order][first])


def write_known(folder: Path, earlier: KnownRows, own: KnownRows) -> None:
    """Into a bundle that is being made.

    Args:
        earlier: met before its own rows were divided: by its parents, or as protected rows.
        own: of its own file.
    """
    table = np.zeros(len(earlier) + len(own), KIND)
    table["key"] = np.concatenate([earlier.keys, own.keys])
    table["part"] = np.concatenate([earlier.parts, own.parts])
    table["earlier"] = np.arange(len(table)) < len(earlier)
    np.save(folder / FILE, table, allow_pickle=False)


def read_known(folder: Path, names: Sequence[str], *, only_earlier: bool = False) -> KnownRows | None:
    """What a bundle has met; None where it does not say, as older ones, and those that guard their rows.

    Args:
        names: roles that its task is asked by.
        only_earlier: what it was told before its own rows were divided; by this they are divided again.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    table = np.load(path, allow_pickle=False)
    if only_earlier:
        table = table[table["earlier"]]
    return KnownRows(names)._of(table["key"], table["part"].astype(np.int8))
