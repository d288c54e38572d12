"""Exact and near duplicates, in linear time and memory.

Near: the share of common character shingles (Jaccard) is at least a threshold. Texts are sketched by one-permutation
MinHash (Li, Owen & Zhang 2012) with empty bins filled by rotation (Shrivastava & Li 2014); rows that agree in a band
of the sketch are candidates, and candidates are verified on their true shingles.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from tunesmith.data.codes import blocks, folded, folded_hashes, folded_texts, mix, texts_of
from tunesmith.data.rows import Rows

THRESHOLD = 0.8
BANDS, DEPTH = 8, 3
BINS = BANDS * DEPTH
EMPTY = np.uint32(0xFFFFFFFF)
SHORTEST = 12
"""Shingles below which one changed word is not a near duplicate any more: such texts are only compared folded."""


def exact_groups(keys: np.ndarray) -> np.ndarray:
    """For every row the first row with the same key. Shape [rows], int64."""
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    return first[inverse].astype(np.int64)


def near_groups(column: pa.ChunkedArray, *, threshold: float = THRESHOLD) -> np.ndarray:
    """For every row the first row of its group of near duplicates.

    Texts that differ in case, width, spaces or punctuation only are always one group; so are texts whose Jaccard
    similarity over character shingles (2 of Chinese, Japanese and Korean, 5 of others) reaches ``threshold``.
    Empty texts are no one's duplicates.

    Args:
        column: texts, [rows].
        threshold: 0 to 1.

    Returns:
        [rows], int64.
    """
    column = texts_of(column)
    keys = folded_hashes(column)
    alone = keys == 0
    keys[alone] = mix(np.flatnonzero(alone).astype(np.uint64) + np.uint64(0x5EED))
    parent = exact_groups(keys)
    heads = np.flatnonzero(parent == np.arange(len(parent)))
    sketch, rows = _sketches(column, heads)
    groups = Groups(parent)
    for pairs in _candidates(sketch, rows):
        groups.flatten()
        pairs = pairs[groups.parent[pairs[:, 0]] != groups.parent[pairs[:, 1]]]
        for low in range(0, len(pairs), 1024):
            part = pairs[low : low + 1024]
            for a, b in part[_similar(column, part, threshold)].tolist():
                groups.join(a, b)
    groups.flatten()
    return groups.parent


class Groups:
    """Union-find in which the smallest row stands for its group."""

    def __init__(self, parent: np.ndarray) -> None:
        self.parent = parent.copy()

    def find(self, row: int) -> int:
        """The row that stands for the group."""
        while (above := int(self.parent[row])) != row:
            self.parent[row] = self.parent[above]
            row = above
        return row

    def join(self, a: int, b: int) -> None:
        """Make two groups one."""
        low, high = sorted((self.find(a), self.find(b)))
        self.parent[high] = low

    def flatten(self) -> None:
        """Point every row straight at the row that stands for it."""
        while True:
            above = self.parent[self.parent]
            if np.array_equal(above, self.parent):
                return
            self.parent = above


def merged(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The groups in which rows are together that are together in ``a`` or in ``b`` (both: row -> first row)."""
    groups = Groups(a)
    for row in np.flatnonzero(b != np.arange(len(b))).tolist():
        groups.join(row, int(b[row]))
    groups.flatten()
    return groups.parent


def joined_texts(rows: Rows, names: list[str]) -> pa.ChunkedArray:
    """The text columns of rows as one column: of a pair, both."""
    import pyarrow.compute as pc

    columns = [texts_of(rows.column(name)) for name in names]
    if len(columns) == 1:
        return columns[0]
    return pc.binary_join_element_wise(*columns, pa.scalar("\n", pa.large_string()))


def shingles(codes: np.ndarray, owners: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Hashes of all runs of ``size`` characters that lie within one text.

    Args:
        codes: code points [characters].
        owners: the row of each character, [characters].

    Returns:
        hashes [shingles], uint64, and the row of each.
    """
    count = len(codes) - size + 1
    if count <= 0:
        return np.zeros(0, np.uint64), owners[:0]
    values = np.zeros(count, np.uint64)
    for i in range(size):
        values *= np.uint64(0x100000001B3)
        values += codes[i : i + count]
    inside = owners[:count] == owners[size - 1 :]
    return mix(values[inside]), owners[:count][inside]


def _sketches(column: pa.ChunkedArray, heads: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sketches of the rows in ``heads`` that are long enough: [n, BINS] uint32, and which rows these are [n]."""
    parts: list[np.ndarray] = []
    kept: list[np.ndarray] = []
    for start, array in blocks(column):
        low, high = np.searchsorted(heads, (start, start + len(array)))
        if high == low:
            continue
        wanted = heads[low:high] - start
        if len(wanted) < len(array):
            array = array.take(pa.array(wanted))
        table, counts = _sketch(array)
        enough = counts >= SHORTEST
        parts.append(_filled(table[enough]))
        kept.append(wanted[enough] + start)
    if not parts:
        return np.zeros((0, BINS), np.uint32), np.zeros(0, np.int64)
    return np.concatenate(parts), np.concatenate(kept)


def _sketch(array: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    codes, lengths = folded(array)
    owners = np.repeat(np.arange(len(array)), lengths)
    wide = np.bincount(owners, weights=codes >= 0x2E80, minlength=len(array)) > 0.3 * lengths
    table = np.full(len(array) * BINS, EMPTY, np.uint32)
    counts = np.zeros(len(array), np.int64)
    for size, chosen in ((2, wide), (5, ~wide)):
        mine = chosen[owners]
        values, rows = shingles(codes[mine], owners[mine], size)
        place = rows * BINS + ((values >> np.uint64(32)) * np.uint64(BINS) >> np.uint64(32)).astype(np.int64)
        np.minimum.at(table, place, values.astype(np.uint32))
        counts += np.bincount(rows, minlength=len(array))
    return table.reshape(-1, BINS), counts


def _filled(table: np.ndarray) -> np.ndarray:
    """Empty bins take the next full one's value, marked by how far it was."""
    found = table.copy()
    for step in range(1, BINS):
        empty = found == EMPTY
        if not empty.any():
            break
        moved = np.roll(table, -step, axis=1)
        marked = np.where(moved == EMPTY, EMPTY, moved + np.uint32((step * 0x9E3779B1) & 0xFFFFFFFF))
        found[empty] = marked[empty]
    return found


def _candidates(sketch: np.ndarray, rows: np.ndarray) -> Iterator[np.ndarray]:
    """Pairs of rows that agree in a band, a band at a time: [pairs, 2].

    Within a bucket each row is paired with its neighbour and with the first one, so that pairs stay linear; rows
    that agree in the next band, too, are made neighbours.
    """
    if len(rows) < 2:
        return
    bands = [_band(sketch, i) for i in range(BANDS)]
    for i in range(BANDS):
        high = bands[i] & ~np.uint64(0xFFFFF)
        order = np.argsort(high | (bands[(i + 1) % BANDS] >> np.uint64(44)))
        bucket = high[order]
        same = np.flatnonzero(bucket[1:] == bucket[:-1]) + 1
        starts = np.flatnonzero(np.concatenate(([True], bucket[1:] != bucket[:-1])))
        first = starts[np.searchsorted(starts, same, side="right") - 1]
        places = np.concatenate((np.stack((same - 1, same), 1), np.stack((first, same), 1)[first < same - 1]))
        pairs = order[places]
        alike = np.zeros(len(pairs), bool)
        for low in range(0, len(pairs), 2**16):
            part = pairs[low : low + 2**16]
            alike[low : low + 2**16] = (sketch[part[:, 0]] == sketch[part[:, 1]]).mean(1) >= 0.5
        yield rows[pairs[alike]]


def _band(sketch: np.ndarray, index: int) -> np.ndarray:
    value = np.full(len(sketch), index, np.uint64)
    for i in range(index * DEPTH, (index + 1) * DEPTH):
        value = mix(value * np.uint64(0x100000001B3) + sketch[:, i])
    return value


def _similar(column: pa.ChunkedArray, pairs: np.ndarray, threshold: float) -> np.ndarray:
    """Which pairs reach the threshold on their true shingles."""
    rows, inverse = np.unique(pairs, return_inverse=True)
    sets = [_shingle_set(t) for t in folded_texts(_gathered(column, rows))]
    found = np.zeros(len(pairs), bool)
    for i, (a, b) in enumerate(inverse.reshape(-1, 2).tolist()):
        common = len(sets[a] & sets[b])
        found[i] = common >= threshold * (len(sets[a]) + len(sets[b]) - common)
    return found


def _shingle_set(text: str) -> set[str]:
    wide = sum(c >= "\u2e80" for c in text) > 0.3 * len(text)
    size = 2 if wide else 5
    return {text[i : i + size] for i in range(len(text) - size + 1)}


def _gathered(column: pa.ChunkedArray, rows: np.ndarray) -> pa.Array:
    """The texts at ascending ``rows``, taken chunk by chunk."""
    parts, start = [], 0
    for chunk in column.chunks:
        low, high = np.searchsorted(rows, (start, start + len(chunk)))
        if high > low:
            parts.append(chunk.take(pa.array(rows[low:high] - start)))
        start += len(chunk)
    return pa.concat_arrays(parts)
