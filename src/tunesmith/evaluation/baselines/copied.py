"""A text that was copied from somewhere, as the answer of a task that writes."""

from __future__ import annotations

from tunesmith.core.contracts import Prediction
from tunesmith.data.word_runs import words


def copied(text: str) -> Prediction:
    """The prediction; its length is counted in words, since nothing was written in tokens.

    >>> copied("So it is.")
    {'text': 'So it is.', 'tokens': 3, 'finish': 'stop'}
    """
    return {"text": text, "tokens": len(words(text)), "finish": "stop"}
