"""Where words, sentences and clauses start in a text, and so which tokens begin one."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from tunesmith.data.han_words import word_starts
from tunesmith.data.words_in_text import UNSPACED

WORD, SENTENCE, CLAUSE = 1, 2, 4
"""Bits of a token's mark."""

_WORD = re.compile(rf"[^\W_{UNSPACED}]+(?:['’\-][^\W_{UNSPACED}]+)*|[^\s\w]+|_+")
_CLOSED = r"[\"'”’)\]]*"


def _beside(signs: str) -> str:
    """Half-width signs beside a letter of a language without spaces, where no space follows them either."""
    return rf"(?<=[{UNSPACED}])[{signs}]+{_CLOSED}|[{signs}]+{_CLOSED}(?=[{UNSPACED}])"


_SENTENCE = re.compile(rf"(?:[.!?…]+{_CLOSED}(?=\s)|[。！？；]+[”’」』）]*|{_beside('!?;')}|\n+)\s*")
_CLAUSE = re.compile(rf"(?:[,;:.!?…]+{_CLOSED}(?=\s)|[，。！？；：、]+[”’」』）]*|{_beside(',!?;')}|\n+)\s*")


def char_marks(text: str, known: frozenset[str]) -> np.ndarray:
    """uint8 [characters]: the bits of what starts at each character.

    Args:
        known: words of languages without spaces, as ``found_words`` gives them.
    """
    marks = np.zeros(len(text) + 1, dtype=np.uint8)
    marks[[found.start() for found in _WORD.finditer(text)]] |= WORD
    marks[word_starts(text, known)] |= WORD
    marks[[found.end() for found in _SENTENCE.finditer(text)]] |= SENTENCE
    marks[[found.end() for found in _CLAUSE.finditer(text)]] |= CLAUSE
    return marks[:-1]


def token_marks(text: str, offsets: Sequence[tuple[int, int]], known: frozenset[str]) -> np.ndarray:
    """uint8 [tokens]: the bits of what starts in each token; the first one starts everything.

    Args:
        offsets: (start, end) of each token in the text; some tokenizers count the space before a word to it.
    """
    if not len(offsets):
        return np.zeros(0, dtype=np.uint8)
    # A mark belongs to the token that holds its character: the last one that starts at it or before.
    starts = np.asarray(offsets, dtype=np.int64)[:, 0]
    marks = np.zeros(len(starts), dtype=np.uint8)
    of_chars = char_marks(text, known)
    places = np.flatnonzero(of_chars)
    owners = np.searchsorted(starts, places, side="right") - 1
    np.bitwise_or.at(marks, owners.clip(min=0), of_chars[places])
    marks[0] = WORD | SENTENCE | CLAUSE
    return marks
