"""Large tables as short strings in a manifest: compressed, checked, and never a pickle."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

TYPES = ("int32", "float32", "float64", "float16", "bool")


def packed(array: np.ndarray) -> dict[str, Any]:
    """An array as JSON values.

    >>> unpacked(packed(np.array([[1, 2]], np.int32))).tolist()
    [[1, 2]]
    """
    plain = np.ascontiguousarray(array)
    return {"type": str(plain.dtype), "shape": list(plain.shape), "data": _text(plain.tobytes())}


def unpacked(told: Any) -> np.ndarray:
    """What ``packed`` was given."""
    if told["type"] not in TYPES:
        raise ValueError(f"an array of {told['type']!r}")
    raw = zlib.decompress(base64.b64decode(told["data"]))
    return np.frombuffer(raw, np.dtype(told["type"])).reshape(told["shape"])


def packed_texts(texts: Sequence[Any]) -> str:
    """A list of JSON values as one string.

    >>> unpacked_texts(packed_texts(["a", "乙", None]))
    ['a', '乙', None]
    """
    return _text(json.dumps(list(texts), ensure_ascii=False).encode("utf-8", "surrogatepass"))


def unpacked_texts(told: str) -> list[Any]:
    """What ``packed_texts`` was given."""
    found: list[Any] = json.loads(zlib.decompress(base64.b64decode(told)).decode("utf-8", "surrogatepass"))
    return found


def _text(raw: bytes) -> str:
    return base64.b64encode(zlib.compress(raw, 6)).decode("ascii")
