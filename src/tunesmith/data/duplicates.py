"""Exact and near duplicates, in linear time and memory.

Near: the share of common character shingles (Jaccard) is at least a threshold. Texts are sketched by one-permutation
MinHash (Li, Owen & Zhang 2012) with empty bins filled by rotation (Shrivastava & Li 2014); rows that agree in a band
of the sketch are candidates, and candidates are verified on their true shingles.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from tunesmith.data.codes import blocks, folded, folded_hashes, mix, texts_of
from tunesmith.data.rows import Rows

THRESHOLD = 0.8
BINS = 64
BANDS, DEPTH = 8, 3
EMPTY = np.uint16(0xFFFF)
SLACK = 0.18
"""How far below the threshold a sketch's estimate may be for a pair to be verified: three standard errors."""
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
    pairs = _candidates(sketch, rows, threshold - SLACK)
    for low in range(0, len(pairs), 4096):
        groups.flatten()
        part = pairs[low : low + 4096]
        part = part[groups.parent[part[:, 0]] != groups.parent[part[:, 1]]]
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
    """Sketches of the rows in ``heads`` that are long enough: [n, BINS] uint16, and which rows these are [n]."""
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
        return np.zeros((0, BINS), np.uint16), np.zeros(0, np.int64)
    return np.concatenate(parts), np.concatenate(kept)


def _sketch(array: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """The least shingle of every bin, [n, BINS] uint16 (EMPTY where there is none), and shingles in each text [n]."""
    values, rows = text_shingles(array)
    table = np.full(len(array) * BINS, EMPTY, np.uint16)
    place = rows * BINS + (values >> np.uint64(58)).astype(np.int64)
    np.minimum.at(table, place, ((values >> np.uint64(40)) & np.uint64(0xFFFF)).astype(np.uint16))
    return table.reshape(-1, BINS), np.bincount(rows, minlength=len(array))


def text_shingles(array: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Hashes of the shingles of every text, and the row of each: pairs of characters where a third of the text is
    Chinese, Japanese or Korean, else runs of five.
    """
    codes, lengths = folded(array)
    owners = np.repeat(np.arange(len(array)), lengths)
    wide = np.bincount(owners, weights=codes >= 0x2E80, minlength=len(array)) > 0.3 * lengths
    found = []
    for size, chosen in ((2, wide), (5, ~wide)):
        mine = chosen[owners]
        found.append(shingles(codes[mine], owners[mine], size))
    values, rows = zip(*found, strict=True)
    return np.concatenate(values), np.concatenate(rows)


def _filled(table: np.ndarray) -> np.ndarray:
    """Empty bins take the next full one's value, marked by how far it was."""
    found = table.copy()
    for step in range(1, BINS):
        empty = found == EMPTY
        if not empty.any():
            break
        moved = np.roll(table, -step, axis=1)
        marked = np.where(moved == EMPTY, EMPTY, moved + np.uint16(step * 40503 & 0xFFFF))
        found[empty] = marked[empty]
    return found


def _candidates(sketch: np.ndarray, rows: np.ndarray, least: float) -> np.ndarray:
    """Pairs of rows that agree in a band, and in ``least`` of all bins: [pairs, 2].

    Within a bucket each row is paired with its neighbour and with the first one, so that pairs stay linear; rows
    that agree in the next band, too, are made neighbours.
    """
    if len(rows) < 2:
        return np.zeros((0, 2), np.int64)
    found = []
    bands = [_band(sketch, i) for i in range(BANDS)]
    for i in range(BANDS):
        high = bands[i] & ~np.uint64(0xFFFFF)
        order = np.argsort(high | (bands[(i + 1) % BANDS] >> np.uint64(44)))
        pairs = _bucket_pairs(high[order])
        for low in range(0, len(pairs), 2**16):
            part = order[pairs[low : low + 2**16]]
            found.append(part[(sketch[part[:, 0]] == sketch[part[:, 1]]).mean(1) >= least])
    joint = np.concatenate(found) if found else np.zeros((0, 2), np.int64)
    joint.sort(axis=1)
    once = _once(joint[:, 0].astype(np.uint64) << np.uint64(32) | joint[:, 1].astype(np.uint64))
    return rows[np.stack((once >> np.uint64(32), once & np.uint64(0xFFFFFFFF)), 1).astype(np.int64)]


def _bucket_pairs(bucket: np.ndarray) -> np.ndarray:
    """Places in a sorted array of buckets: neighbours of one bucket, and each with its bucket's first."""
    same = np.flatnonzero(bucket[1:] == bucket[:-1]) + 1
    starts = np.flatnonzero(np.concatenate(([True], bucket[1:] != bucket[:-1])))
    first = starts[np.searchsorted(starts, same, side="right") - 1]
    return np.concatenate((np.stack((same - 1, same), 1), np.stack((first, same), 1)[first < same - 1]))


def _band(sketch: np.ndarray, index: int) -> np.ndarray:
    value = np.full(len(sketch), index, np.uint64)
    for i in range(index * DEPTH, (index + 1) * DEPTH):
        value = mix(value * np.uint64(0x100000001B3) + sketch[:, i])
    return value


def _similar(column: pa.ChunkedArray, pairs: np.ndarray, threshold: float) -> np.ndarray:
    """Which pairs reach the threshold on their true shingles (40 bits of each hash): [pairs], bool."""
    if not len(pairs):
        return np.zeros(0, bool)
    rows, inverse = np.unique(pairs, return_inverse=True)
    values, owners = text_shingles(_gathered(column, rows))
    bits, low = np.uint64(40), np.uint64(2**40 - 1)
    keys = _once((owners.astype(np.uint64) << bits) | (values >> np.uint64(24)))
    sizes = np.bincount((keys >> bits).astype(np.int64), minlength=len(rows))
    starts = np.cumsum(sizes) - sizes
    # Every pair's two sets one after the other, tagged by the pair: what comes twice is common to both.
    sides = inverse.reshape(-1)
    counts = sizes[sides]
    begins = np.cumsum(counts) - counts
    places = np.arange(counts.sum()) + np.repeat(starts[sides] - begins, counts)
    tags = np.repeat(np.arange(len(sides), dtype=np.uint64) >> np.uint64(1), counts)
    tagged = np.sort((tags << bits) | (keys[places] & low))
    twice = tagged[1:][tagged[1:] == tagged[:-1]]
    common = np.bincount((twice >> bits).astype(np.int64), minlength=len(pairs))
    union = counts[0::2] + counts[1::2] - common
    reached: np.ndarray = common >= threshold * np.maximum(union, 1)
    return reached


def _once(values: np.ndarray) -> np.ndarray:
    """Distinct values, ascending; for millions of integers sorting beats ``np.unique``, which hashes."""
    values = np.sort(values)
    kept: np.ndarray = values[np.concatenate((np.ones(min(len(values), 1), bool), values[1:] != values[:-1]))]
    return kept


def _gathered(column: pa.ChunkedArray, rows: np.ndarray) -> pa.Array:
    """The texts at ascending ``rows``, taken chunk by chunk."""
    parts, start = [], 0
    for chunk in column.chunks:
        low, high = np.searchsorted(rows, (start, start + len(chunk)))
        if high > low:
            parts.append(chunk.take(pa.array(rows[low:high] - start)))
        start += len(chunk)
    return pa.concat_arrays(parts)
