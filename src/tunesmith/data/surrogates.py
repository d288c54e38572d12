"""Halves of surrogate pairs, which JSON can spell (``"\\ud83d"``, as in texts that were cut) and UTF-8 cannot."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_LONE = re.compile("[\ud800-\udfff]")


def whole(value: Any) -> Any:
    """The value with U+FFFD for each lone surrogate in its texts: one for one, so that offsets stay.

    >>> whole({"text": "a\\ud83d", "parts": ["b", 2]}) == {"text": "a\\ufffd", "parts": ["b", 2]}
    True
    """
    if isinstance(value, str):
        return value if value.isascii() else _LONE.sub("\ufffd", value)  # of megabytes in base64 nothing is looked at
    if isinstance(value, Mapping):
        return {whole(key): whole(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(whole, value)) if type(value) in (list, tuple) else value
    return value
