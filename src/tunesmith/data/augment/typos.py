"""Errors of typing: what a hurried thumb does to English, and a pinyin keyboard to Chinese."""

from __future__ import annotations

import random
from functools import cache
from typing import ClassVar

from tunesmith.core.contracts import Augmentation
from tunesmith.data.augment.pieces import is_unspaced, replaced, some, words

KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
ALIKE = {"o": "0", "0": "o", "l": "1", "1": "l", "i": "1", "s": "5", "5": "s", "e": "3", "a": "@", "b": "8"}
"""Signs that look alike."""
SYLLABLE = 4
"""How far apart in GB 2312 two characters may stand to count as sounding alike."""


class Typos(Augmentation):
    """Latin words: a neighbouring key, two letters swapped, one left out or doubled, or a sign that looks alike.

    Chinese: a character that sounds alike (what a pinyin keyboard offers beside the right one), one left out, or
    two swapped.

    Args:
        share: rows that are added, as a share of the training rows.
        rate: share of a text's words (in Chinese characters) that get an error, one at least.
    """

    name: ClassVar[str] = "typos"
    summary: ClassVar[str] = "errors of typing: keys, swaps, omissions; in Chinese, characters that sound alike"

    def rewrite(self, text: str, draw: random.Random) -> str:
        """The text with an error in some of its words; words of one letter stay."""
        spans = [span for span in words(text) if is_unspaced(text, span) or span[1] - span[0] > 1]
        changes = {}
        for place in some(len(spans), self.rate, draw):
            start, end = spans[place]
            word = text[start:end]
            changes[start, end] = mistyped_han(word, draw) if is_unspaced(text, (start, end)) else mistyped(word, draw)
        return replaced(text, changes)


def mistyped(word: str, draw: random.Random) -> str:
    """A word of two or more letters with one error in it; the first letter is rarely where errors are, and stays."""
    at = draw.randrange(1, len(word))
    letter, before = word[at], word[at - 1]
    errors = [word[:at] + word[at + 1 :], word[:at] + letter + word[at:]]
    if at > 1 or len(word) == 2:
        errors.append(word[: at - 1] + letter + before + word[at + 1 :])
    errors += [word[:at] + _like(other, letter) + word[at + 1 :] for other in _neighbours(letter.lower())]
    if letter.lower() in ALIKE:
        errors.append(word[:at] + ALIKE[letter.lower()] + word[at + 1 :])
    return draw.choice([error for error in errors if error != word])


def mistyped_han(character: str, draw: random.Random) -> str:
    """A character that sounds alike; one time in five, and where none is known, the character is left out."""
    alike = sounding_alike(character)
    return draw.choice(alike) if alike and draw.random() < 0.8 else ""


def sounding_alike(character: str) -> list[str]:
    """Characters pronounced alike or nearly so; [] for those outside the 3,755 most common.

    The first level of GB 2312 is ordered by pinyin: those who stand beside each other sound alike.
    """
    order, places = _by_sound()
    place = places.get(character)
    if place is None:
        return []
    return [c for c in order[max(0, place - SYLLABLE) : place + SYLLABLE + 1] if c != character]


@cache
def _by_sound() -> tuple[str, dict[str, int]]:
    codes = [bytes([high, low]) for high in range(0xB0, 0xD8) for low in range(0xA1, 0xFF)]
    order = b"".join(code for code in codes if code <= b"\xd7\xf9").decode("gb2312")
    return order, {character: i for i, character in enumerate(order)}


def _neighbours(letter: str) -> str:
    """Letters beside it on the keyboard, above and below included."""
    for row, keys in enumerate(KEYBOARD):
        at = keys.find(letter)
        if at >= 0:
            beside = keys[max(0, at - 1) : at] + keys[at + 1 : at + 2]
            above = KEYBOARD[row - 1][at : at + 2] if row else ""
            below = KEYBOARD[row + 1][max(0, at - 1) : at + 1] if row + 1 < len(KEYBOARD) else ""
            return beside + above + below
    return ""


def _like(letter: str, example: str) -> str:
    return letter.upper() if example.isupper() else letter
