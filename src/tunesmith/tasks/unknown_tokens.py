"""How much of some texts a tokenizer does not know."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

SAID = 0.01
"""Share of tokens that may be unknown without a word."""


def unknown_note(ids: Sequence[Sequence[int]], processor: Any, what: str) -> str:
    """A sentence where the tokenizer lacks characters of texts; "" where it knows nearly all.

    Args:
        ids: of the texts.
        processor: the tokenizer that made them.
        what: the texts in words: "targets".
    """
    unknown, every = processor.unk_token_id, list(chain.from_iterable(ids))
    share = every.count(unknown) / max(1, len(every)) if unknown is not None else 0.0
    if share <= SAID:
        return ""
    return (
        f"{share:.0%} of the tokens of the {what} are unknown to the model's tokenizer: it cannot read or write them. "
        "Take a model whose vocabulary has these characters."
    )
