"""Personal data replaced by placeholders such as ``[EMAIL]``."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc

from tunesmith.data.personal import SUSPECT, find


def redact(text: str) -> tuple[str, list[str]]:
    """The text with placeholders, and the kinds that were replaced, in order.

    >>> redact("Write to ann@example.com or 13812345678.")
    ('Write to [EMAIL] or [PHONE].', ['email', 'phone'])
    """
    found = find(text)
    parts, at = [], 0
    for place in found:
        parts += [text[at : place.start], f"[{place.kind.upper()}]"]
        at = place.end
    return "".join([*parts, text[at:]]), [f.kind for f in found]


def redact_texts(array: pa.Array, counts: Counter[str]) -> pa.Array:
    """The same for an array without nulls; what was replaced is added to ``counts``."""
    mask = pc.match_substring_regex(array, SUSPECT)
    if not pc.any(mask).as_py():
        return array
    made = []
    for text in array.filter(mask).to_pylist():
        safe, kinds = redact(text)
        counts.update(kinds)
        made.append(safe)
    return pc.replace_with_mask(array, mask, pa.array(made, array.type))
