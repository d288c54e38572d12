"""Blanks that a tokenizer of word pieces writes between characters that no text has blanks between."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

_WIDE = "\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uff65\U00020000-\U0003ffff"
"""Characters and signs of Chinese and Japanese, which BERT's tokenizer makes words of."""
_BESIDE = re.compile(f"(?<=[{_WIDE}]) +| +(?=[{_WIDE}])")


def closed_up(text: str) -> str:
    """A text without blanks beside Chinese characters.

    >>> closed_up("房 间 很 好 ， wifi is 快")
    '房间很好，wifi is快'
    """
    return _BESIDE.sub("", text)


def spacing_of(tokenizer: Any) -> Callable[[str], str]:
    """What makes a decoded text one that people write: ``closed_up`` for word pieces, else it stays as it is.

    Their decoder joins words by blanks, and to them each Chinese character is a word.
    """
    decoder = getattr(getattr(tokenizer, "backend_tokenizer", None), "decoder", None)
    return closed_up if type(decoder).__name__ == "WordPiece" else str
