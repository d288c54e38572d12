"""Whether a request's rows are within a policy's limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import DataError
from tunesmith.service.problems import Refused
from tunesmith.service.safety.policy import Limits
from tunesmith.service.safety.texts import strings

if TYPE_CHECKING:
    from tunesmith.bundle.predictor import Predictor

MARKS = 8
"""Tokens that a row may have beside its texts: its beginning, its end, what stands between two texts."""


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


def may_have_more(limits: Limits, rows: Sequence[Any]) -> bool:
    """Whether it is worth counting tokens: a token is a byte at least, a row's own marks apart."""
    most = limits.tokens
    return most is not None and any(
        sum(len(text.encode("utf-8", "surrogatepass")) for text in strings(row)) + MARKS > most for row in rows
    )


def token_counts(predictor: Predictor, rows: Sequence[Any]) -> list[int]:
    """Tokens that the model reads of each row, all windows of it together.

    Raises:
        Refused: 422, the task cannot read a row.
    """
    counts = [0] * len(rows)
    try:
        features = predictor.task.encode(rows, predictor.processor, max_length=predictor.max_length, targets=False)
    except DataError as error:
        raise Refused(422, "unreadable_rows", str(error).replace("\n", " ")) from error
    for feature in features:
        counts[feature["row"]] += len(feature["input_ids"])
    return counts


def tokens_within(limits: Limits, counts: Sequence[int]) -> None:
    """Nothing, where no row has more tokens than the limit.

    Args:
        limits: of the policy.
        counts: tokens of each row.

    Raises:
        Refused: 413 "too_large".
    """
    if limits.tokens is not None and counts and max(counts) > limits.tokens:
        raise _too_large("tokens in a row", max(counts), limits.tokens)


def _too_large(what: str, given: int, most: int) -> Refused:
    return Refused(413, "too_large", f"The request has {given:,} {what}; the limit is {most:,}.")
