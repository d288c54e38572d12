"""What a row asks, as one text, and a key of it that is the same in every file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from tunesmith.data.codes import folded_hashes
from tunesmith.data.media.limits import MediaProblem
from tunesmith.data.media.place import content

FILES = ("image", "audio")
"""Roles of files: what they hold counts, and not what they are called."""


def asked(row: Mapping[str, Any], names: Sequence[str]) -> str:
    """What a row asks, as one text; of a conversation, what was not answered by the model.

    >>> said = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    >>> asked({"messages": said}, ["messages"])
    'Hi'
    """
    return "\n".join(_text(row[name]) for name in names if row.get(name) is not None)


def keys_of(rows: Iterable[Mapping[str, Any]], names: Sequence[str]) -> np.ndarray:
    """A key of what each row asks, uint64 [rows]: case, width, spaces and punctuation do not change it. 0: nothing.

    >>> a, b, c = keys_of([{"text": "Late, AGAIN!"}, {"text": "late again"}, {"text": ""}], ["text"])
    >>> bool(a == b), int(c)
    (True, 0)
    """
    files = [name for name in FILES if name in names]
    texts = [asked({**row, **_contents(row, files)} if files else row, names) for row in rows]
    return folded_hashes(pa.chunked_array([pa.array(texts, pa.large_string())]))


def _contents(row: Mapping[str, Any], files: Sequence[str]) -> dict[str, str]:
    found = {}
    for name in files:
        if isinstance(row.get(name), str) and row[name]:
            try:
                found[name] = hashlib.blake2b(content(row[name]), digest_size=16).hexdigest()
            except MediaProblem:  # told where it is read
                continue
    return found


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence) and all(isinstance(one, Mapping) and "role" in one for one in value):
        return "\n".join(str(one.get("content", "")) for one in value if one["role"] != "assistant")
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
