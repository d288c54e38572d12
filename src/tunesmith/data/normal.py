"""Text made normal: Unicode NFC, mangled encodings mended, control characters out, ends trimmed."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a service mends texts one by one, and does without Arrow
    import pyarrow as pa

# What the bytes 80-BF of UTF-8 become when they are read as cp1252 or Latin-1.
# A right text may have such a run, too: "fiancé—”", "liberté »", "náš…" are bytes of UTF-8 by chance.
_TRAIL = "\x80-\xbf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122"
_UNIT = f"(?:[\xc2\xc3][{_TRAIL}]|[\xe0-\xef][{_TRAIL}]{{2}}|[\xf0-\xf4][{_TRAIL}]{{3}})"
_MANGLED = f"{_UNIT}+"
_CONTROL = "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u00ad\u200b\u2060\ufeff]|\r\n?"
_UNIT_RE = re.compile(_UNIT)
_MANGLED_RE = re.compile(_MANGLED)
_CONTROL_RE = re.compile(_CONTROL)
_SUSPECT = f"{_CONTROL}|{_MANGLED}".replace("\x00", r"\x00")
_SUSPECT_RE = re.compile(_SUSPECT)
_ENDS = frozenset("€…†‡‹‘’“”•–—™›šœž\xa0¡¨ª«\xad®°²³´·¹º»¿".encode("cp1252"))
"""Bytes that in a right text may stand behind an accented letter: signs after a word's end, and letters."""
_BOM = b"\xef\xbb\xbf"


def normal_texts(array: pa.Array) -> pa.Array:
    """The same for an array of texts; only rows that look damaged are touched one by one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    made = pc.utf8_normalize(array, form="NFC")
    suspect = pc.fill_null(pc.match_substring_regex(made, _SUSPECT), False)
    if pc.any(suspect).as_py():
        fixed = pa.array([normal_text(t) for t in made.filter(suspect).to_pylist()], made.type)
        made = pc.replace_with_mask(made, suspect, fixed)
    return pc.utf8_trim_whitespace(made)


def whole_text(text: str) -> str:
    """One text as ``normal_texts`` makes it.

    >>> whole_text(" cafe\\u0301\\x00 ")
    'café'
    """
    made = unicodedata.normalize("NFC", text)
    return (normal_text(made) if _SUSPECT_RE.search(made) else made).strip()


def normal_text(text: str) -> str:
    """Mend mangled encodings, take control characters out.

    >>> normal_text("It\\u00e2\\u20ac\\u2122s cafÃ©\\x00")
    'It’s café'
    """
    mended = _mended(text) if _MANGLED_RE.search(text) else text
    return _CONTROL_RE.sub(lambda match: "\n" if match.group()[0] == "\r" else "", mended)


def _mended(text: str) -> str:
    """A text with its mangled runs mended: those that can be nothing else, and all where nothing foreign is outside."""
    runs = [match for match in _MANGLED_RE.finditer(text) if _decoded(match.group()) is not None]
    sure = [_certain(match, text) for match in runs]
    if any(sure):
        foreign = sum(not char.isascii() for char in text)
        whole = foreign == sum(len(match.group()) for match in runs)
        runs = [match for match, certain in zip(runs, sure, strict=True) if certain or whole]
    else:
        runs = []
    pieces, start = [], 0
    for match in runs:
        pieces += [text[start : match.start()], _decoded(match.group()) or ""]
        start = match.end()
    return "".join([*pieces, text[start:]])


def _decoded(run: str) -> str | None:
    """What the bytes that a run of characters stands for mean in UTF-8; None where they mean nothing."""
    try:
        return b"".join(map(_byte, run)).decode("utf-8")
    except UnicodeError:
        return None


def _certain(match: re.Match[str], text: str) -> bool:
    """Whether a run cannot be the end of a word and the signs behind it."""
    lead, *trail = data = b"".join(map(_byte, match.group()))
    before, after = text[: match.start()][-1:], text[match.end() :][:1]
    several = len(_UNIT_RE.findall(match.group())) > 1
    if several or not _ENDS.issuperset(trail) or data == _BOM:
        return True
    if lead in b"\xc2\xc3":  # "AMANHû" ends in it in capitals; no word has it behind a small letter
        quoted = bool(before) and not before.isalnum() and not before.isascii() or before in ('"', "'", "(")
        inside = after.isalpha() and trail[0] not in b"\xa0\x97"
        return inside or not (before.isupper() or quoted)
    # Quotes, dashes and dots of print: nobody writes the sign of the euro behind an â.
    if data[:2] == b"\xe2\x80":
        return True
    # Arrows and shapes: no word is a lone â.
    return lead == 0xE2 and trail[0] != 0xA0 and (not before or before in " \n\t" or before.isdigit())


def _byte(char: str) -> bytes:
    try:
        return char.encode("cp1252")
    except UnicodeEncodeError:
        return char.encode("latin-1")
