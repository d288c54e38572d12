"""Texts as arrays of code points, so that hashing and shingling run in numpy and not row by row."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tunesmith.data.rows import text_bytes

BLOCK = 2**20
"""Bytes of text worked on at once; bounds memory."""
GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def texts_of(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column as ``large_string`` without nulls (these become "")."""
    if not pa.types.is_large_string(column.type):
        column = column.cast(pa.large_string())
    return pc.fill_null(column, "") if column.null_count else column


def blocks(column: pa.ChunkedArray, size: int = BLOCK) -> Iterator[tuple[int, pa.Array]]:
    """(index of the first row, rows) pieces of at most ``size`` bytes, or one row where that is longer."""
    start = 0
    for chunk in column.chunks:
        chunk = pc.fill_null(chunk, "") if chunk.null_count else chunk
        ends = np.cumsum(np.asarray(pc.binary_length(chunk), dtype=np.int64))
        low = 0
        while low < len(chunk):
            before = ends[low - 1] if low else 0
            high = max(int(np.searchsorted(ends, before + size, side="right")), low + 1)
            yield start + low, chunk.slice(low, high - low)
            low = high
        start += len(chunk)


def code_points(array: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """All characters of an array of texts, and the number in each.

    Returns:
        code points [characters], uint32, and lengths [rows], int64.
    """
    text = bytes(text_bytes(array)).decode("utf-8")
    codes = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
    return codes, np.asarray(pc.utf8_length(array), dtype=np.int64)


def folded(array: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """As ``code_points``, with case and width folded and everything but letters and digits left out."""
    codes, lengths = code_points(array)
    table = fold_table()
    in_table = codes < len(table)
    codes = np.where(in_table, table[np.where(in_table, codes, 0)], codes)
    keep = codes != 0
    kept = np.concatenate(([0], np.cumsum(keep, dtype=np.int64)))
    ends = np.cumsum(lengths)
    return codes[keep], kept[ends] - kept[ends - lengths]


@cache
def fold_table() -> np.ndarray:
    """Code point -> its folded one, 0 for what is neither letter nor digit; the basic plane."""
    table = np.zeros(0x10000, dtype=np.uint32)
    for code in range(0x10000):
        if 0xD800 <= code < 0xE000:
            continue
        char = unicodedata.normalize("NFKC", chr(code)).casefold()
        if len(char) == 1 and char.isalnum():
            table[code] = ord(char)
        elif chr(code).isalnum():
            table[code] = code
    return table


def mix(values: np.ndarray) -> np.ndarray:
    """Spread 64-bit values over all 64 bits (the finaliser of SplitMix64, Steele et al. 2014); works in place."""
    values ^= values >> np.uint64(30)
    values *= np.uint64(0xBF58476D1CE4E5B9)
    values ^= values >> np.uint64(27)
    values *= np.uint64(0x94D049BB133111EB)
    values ^= values >> np.uint64(31)
    return values


def hashes(column: pa.ChunkedArray) -> np.ndarray:
    """A 64-bit hash of every text as it stands. Shape [rows], uint64; the same on every machine."""
    return _hashes(column, fold=False)


def folded_hashes(column: pa.ChunkedArray) -> np.ndarray:
    """A 64-bit hash that differences of case, width, spaces and punctuation do not change.

    A text without letters or digits ("!!!") is hashed as it stands.
    """
    return _hashes(column, fold=True)


def _hashes(column: pa.ChunkedArray, fold: bool) -> np.ndarray:
    found = np.zeros(len(column), dtype=np.uint64)
    for start, array in blocks(texts_of(column)):
        made = _sums(*(folded(array) if fold else code_points(array)))
        if fold and not made.all():
            made = np.where(made == 0, _sums(*code_points(array)), made)
        found[start : start + len(array)] = made
    return found


def _sums(codes: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Per text the sum of mixed (character, place): 0 for an empty one."""
    ends = np.cumsum(lengths)
    place = np.arange(len(codes), dtype=np.uint64) - np.repeat(ends - lengths, lengths).astype(np.uint64)
    values = mix((codes.astype(np.uint64) + np.uint64(1)) * GOLDEN + (place << np.uint64(32)))
    total = np.concatenate((np.zeros(1, np.uint64), np.cumsum(values, dtype=np.uint64)))
    sums: np.ndarray = total[ends] - total[ends - lengths]
    return sums


def joined(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """One hash of two."""
    return mix(first * GOLDEN + second)
