"""Text as filters read it: one spelling for full-width, mixed case, invisible characters and runs of space."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from itertools import pairwise

_SPACE = re.compile(r"\s+")
_INVISIBLE = re.compile(
    r"[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    r"\ufe00-\ufe0f\ufeff\U000e0000-\U000e0fff]+"
)


@dataclass(frozen=True)
class Normal:
    """A text in one spelling, and where each of its characters came from.

    Args:
        text: the spelling that filters read.
        starts: for each character of ``text``, the index of the first character of the original that made it.
        ends: the index after the last one.
    """

    text: str
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    def place(self, start: int, end: int) -> tuple[int, int]:
        """A place in ``text`` as a place in the original."""
        return self.starts[start], self.ends[end - 1]


def normal(text: str, *, fold: bool = True) -> str:
    """The text by NFKC, without invisible characters, each run of space as one; and without case where ``fold``.

    >>> normal("ＦＵＬＬ  Width\\u200b 笨蛋")
    'full width 笨蛋'
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text))
    spaced = _SPACE.sub(" ", text)
    return spaced.casefold() if fold else spaced


def aligned(text: str, *, fold: bool = True) -> Normal:
    """The same with its places: slower, for texts in which something was found.

    >>> aligned("ＡＢ ﬁ").place(3, 5)
    (3, 4)
    """
    parts: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for start, end in _clusters(text):
        made = normal(text[start:end], fold=fold)
        if parts and parts[-1] == " " and made.startswith(" "):
            ends[-1] = end
            made = made[1:]
        parts.extend(made)
        starts += [start] * len(made)
        ends += [end] * len(made)
    return Normal("".join(parts), tuple(starts), tuple(ends))


def _clusters(text: str) -> list[tuple[int, int]]:
    """Places of characters, each with what melts into it: marks, Hangul letters, what nobody sees."""
    starts: list[int] = []
    for index, character in enumerate(text):
        if not starts or not _melts(text[starts[-1] : index], character):
            starts.append(index)
    return list(pairwise([*starts, len(text)]))


def _melts(before: str, character: str) -> bool:
    if character.isascii():
        return False
    if unicodedata.combining(character) or _INVISIBLE.match(character):
        return True
    alone = [unicodedata.normalize("NFKC", _INVISIBLE.sub("", part)) for part in (before, character)]
    return unicodedata.normalize("NFKC", "".join(alone)) != "".join(alone)
