"""The same question otherwise: in a longer text, in another order, in other words, beside a contradiction.

Pure functions of texts; which role of a row they change is the caller's to say.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence

from tunesmith.core.contracts import Row
from tunesmith.data.augment.synonyms import Synonyms

FILLERS = {
    "en": (
        "This was written on a Tuesday.", "The page has a blue border.", "It was read on a train between two towns.",
        "The next paragraph begins on the other side.", "Somebody has numbered the lines by hand.",
    ),
    "zh": (
        "这段话写于星期二。", "这一页有蓝色的边框。", "它是在两个城市之间的火车上读到的。", "下一段从另一面开始。",
        "有人用手给每一行编了号。",
    ),
}  # fmt: skip
"""Sentences that say nothing of any subject."""

_SENTENCE = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？；])|\n+")
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u9fff]")


def sentences(text: str) -> list[str]:
    """The sentences of a text, as they stand there.

    >>> sentences("One. Two! 三。四？")
    ['One.', 'Two!', '三。', '四？']
    """
    return [part for part in _SENTENCE.split(text) if part and part.strip()]


def joined(parts: Sequence[str]) -> str:
    """Sentences as one text, with spaces where their language has them."""
    return ("" if parts and _UNSPACED.search(parts[0]) else " ").join(part.strip() for part in parts)


def longer(text: str, draw: random.Random) -> str:
    """The text among sentences that say nothing of it; its own stay together and in order."""
    fillers = list(FILLERS["zh" if _UNSPACED.search(text) else "en"])
    draw.shuffle(fillers)
    return joined([*fillers[:2], text, *fillers[2:4]])


def shuffled(text: str, draw: random.Random) -> str:
    """The text's sentences in another order; as it was where it has one."""
    own = sentences(text)
    mixed = list(own)
    for _ in range(8):
        draw.shuffle(mixed)
        if mixed != own:
            break
    return joined(mixed) if len(own) > 1 else text


def reworded(text: str, draw: random.Random) -> str:
    """The text with synonyms in the place of some words; as it was where none is known."""
    return Synonyms(rate=0.5).rewrite(text, draw)


def contradicted(text: str, other: str) -> str:
    """The text, and then one that says otherwise."""
    but = "但是另一位说：" if _UNSPACED.search(text) else "But somebody else says:"
    return joined([text, but, other])


VARIANTS: Mapping[str, Callable[[str, random.Random], str]] = {
    "longer": longer,
    "shuffled": shuffled,
    "reworded": reworded,
}
"""Those under which an answer should stay what it is."""


ROLES = ("context", "text")
"""Whose text is changed: what is read, not what is asked."""


def role_of(row: Row) -> str | None:
    """The role whose text is changed: what is read, not what is asked."""
    return next((role for role in ROLES if isinstance(row.get(role), str) and row[role]), None)
