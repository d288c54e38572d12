"""What a model wrote, as a prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel

from tunesmith.core.contracts import Prediction


class WrittenText(BaseModel):
    """The text, how many tokens were written, and why no more: the end came ("stop"), or there was no room for it."""

    text: str
    tokens: int
    finish: Literal["stop", "length"]


@dataclass(frozen=True)
class Reader:
    """Reads ids as text.

    Args:
        processor: the tokenizer that made the prompt.
        stop: the text ends before the first of these.
    """

    processor: Any
    stop: Sequence[str] = ()

    def __call__(self, ids: np.ndarray) -> Prediction:
        """The prediction of ids that were written, their end token included where there is one."""
        found = [int(i) for i in ids]
        ended = bool(found) and found[-1] in self.processor.all_special_ids
        tokens = found[:-1] if ended else found
        text, stopped = before(self.processor.decode(tokens, skip_special_tokens=True), self.stop)
        return {"text": text.strip(), "tokens": len(tokens), "finish": "stop" if ended or stopped else "length"}


def before(text: str, stop: Sequence[str]) -> tuple[str, bool]:
    """The text before the first of some strings, and whether there is one.

    >>> before("one. two; three", ["; ", ". "]), before("one", ["; "])
    (('one', True), ('one', False))
    """
    places = [place for one in stop if one and (place := text.find(one)) >= 0]
    return (text[: min(places)], True) if places else (text, False)
