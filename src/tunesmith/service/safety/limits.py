"""Whether a request's rows are within a policy's limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tunesmith.service.problems import Refused
from tunesmith.service.safety.policy import Limits
from tunesmith.service.safety.texts import strings

if TYPE_CHECKING:
    from tunesmith.core.contracts import Feature


def within(limits: Limits, rows: Sequence[Any]) -> None:
    """Nothing, where the rows are within the limits on rows, characters and bytes.

    Raises:
        Refused: 413 "too_large", which says the limit and what was given.
    """
    if limits.rows is not None and len(rows) > limits.rows:
        raise _too_large("rows", len(rows), limits.rows)
    if limits.characters is None and limits.bytes is None:
        return
    texts = [text for row in rows for text in strings(row)]
    longest = max(map(len, texts), default=0)
    if limits.characters is not None and longest > limits.characters:
        raise _too_large("characters in a text", longest, limits.characters)
    if limits.bytes is not None:
        total = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
        if total > limits.bytes:
            raise _too_large("bytes of text", total, limits.bytes)


def tokens_within(limits: Limits, features: Sequence[Feature]) -> None:
    """Nothing, where no row has more tokens than the limit, all its windows together.

    Raises:
        Refused: 413 "too_large".
    """
    counts = Counter[int]()
    for feature in features:
        counts[feature["row"]] += len(feature["input_ids"])
    most = max(counts.values(), default=0)
    if limits.tokens is not None and most > limits.tokens:
        raise _too_large("tokens in a row", most, limits.tokens)


def _too_large(what: str, given: int, most: int) -> Refused:
    return Refused(413, "too_large", f"The request has {given:,} {what}; the limit is {most:,}.")
