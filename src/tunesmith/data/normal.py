"""Text made normal: Unicode NFC, mangled encodings mended, control characters out, ends trimmed."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

# What the bytes 80-BF of UTF-8 become when they are read as cp1252 or Latin-1.
_TRAIL = "\x80-\xbf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122"
_MANGLED = f"(?:[\xc2\xc3][{_TRAIL}]|[\xe0-\xef][{_TRAIL}]{{2}}|[\xf0-\xf4][{_TRAIL}]{{3}})+"
_CONTROL = "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u00ad\u200b\u2060\ufeff]|\r\n?"
_MANGLED_RE = re.compile(_MANGLED)
_CONTROL_RE = re.compile(_CONTROL)
_SUSPECT = f"{_CONTROL}|{_MANGLED}".replace("\x00", r"\x00")


def normal_texts(array: pa.Array) -> pa.Array:
    """The same for an array of texts; only rows that look damaged are touched one by one."""
    made = pc.utf8_normalize(array, form="NFC")
    suspect = pc.fill_null(pc.match_substring_regex(made, _SUSPECT), False)
    if pc.any(suspect).as_py():
        fixed = pa.array([normal_text(t) for t in made.filter(suspect).to_pylist()], made.type)
        made = pc.replace_with_mask(made, suspect, fixed)
    return pc.utf8_trim_whitespace(made)


def normal_text(text: str) -> str:
    """Mend mangled encodings, take control characters out.

    >>> normal_text("It\\u00e2\\u20ac\\u2122s cafÃ©\\x00")
    'It’s café'
    """
    mended = _MANGLED_RE.sub(lambda match: _mended(match.group()), text)
    return _CONTROL_RE.sub(lambda match: "\n" if match.group()[0] == "\r" else "", mended)


def _mended(run: str) -> str:
    """A run of characters that are the bytes of UTF-8, as what these bytes mean; itself where they mean nothing."""
    try:
        return b"".join(_byte(c) for c in run).decode("utf-8")
    except UnicodeError:
        return run


def _byte(char: str) -> bytes:
    try:
        return char.encode("cp1252")
    except UnicodeEncodeError:
        return char.encode("latin-1")
