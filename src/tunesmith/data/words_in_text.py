"""Words of a text and the text of words, for languages with and without spaces."""

from __future__ import annotations

import re
from collections.abc import Sequence

UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
"""Letters of languages written without spaces: Thai, Lao, Burmese, Khmer, kana, Han. For use inside [ ]."""

_GLUED = re.compile(f"[{UNSPACED}\u2014\u2018-\u201d\u2026\u3000-\u303f\uff00-\uffee]")
"""What stands beside these is not set apart by a space: such letters, and the signs written with them."""
_UNSPACED_LETTER = re.compile(f"[{UNSPACED}]")
_UNIT = re.compile(rf"[{UNSPACED}]|[^\W_{UNSPACED}]+|[^\s\w]|_")


def joined(tokens: Sequence[str]) -> tuple[str, list[list[int]]]:
    """The text that tokens are of, as a user would write it, and [start, end] of each token in it.

    Tokens of languages with spaces are joined by one; Chinese and its like are not. A row of single characters was
    cut character by character, so that its Latin words and numbers are put together again.

    >>> joined(["EU", "rejects", "it"])
    ('EU rejects it', [[0, 2], [3, 10], [11, 13]])
    >>> joined(["2", "0", "年", "在", "N", "B", "A"])[0], joined(["我", "喜欢", "iPhone", "12"])[0]
    ('20年在NBA', '我喜欢iPhone 12')
    """
    characters = all(len(token) == 1 for token in tokens) and any(map(_UNSPACED_LETTER.match, tokens))
    text, words = "", []
    for token in tokens:
        if text and not characters and not (_GLUED.match(text[-1]) or _GLUED.match(token)):
            text += " "
        words.append([len(text), len(text) + len(token)])
        text += token
    return text, words


def units(text: str) -> list[tuple[int, int]]:
    """(start, end) of each word, number and sign; of each letter, where words are not spaced.

    >>> text = "The U.S. 我们2人"
    >>> [text[start:end] for start, end in units(text)]
    ['The', 'U', '.', 'S', '.', '我', '们', '2', '人']
    """
    return [found.span() for found in _UNIT.finditer(text)]


def is_unspaced_letter(letter: str) -> bool:
    """Whether it is a letter of a language without spaces between words."""
    return bool(_UNSPACED_LETTER.match(letter))
