"""Conversations made to fit into a window: earlier turns go first, whole, and everything is counted."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from tunesmith.core.errors import DataError
from tunesmith.tasks.chat_template import Template
from tunesmith.tasks.conversation import Messages, Misfit, encoded, prompt, rendered

ROOM = 8
"""Tokens that an answer must have room for."""


@dataclass
class Fitted:
    """Conversations, and what was left out of them."""

    turns: int = 0
    """Earlier messages left out."""
    shortened: int = 0
    """Conversations that lost earlier messages."""
    cut: int = 0
    """Conversations whose last answer was cut at its end."""
    unfit: int = 0
    """Conversations whose last question is too long."""

    @classmethod
    def counted(cls, features: Iterable[Mapping[str, Any]]) -> Fitted:
        """Of the features of conversations."""
        found = cls()
        for feature in features:
            found.turns += feature["left_out"]
            found.shortened += feature["left_out"] > 0
            found.cut += feature["cut"]
            found.unfit += feature["unfit"]
        return found

    def notes(self) -> list[str]:
        """In words; empty where everything fits."""
        said = {
            f"{self.shortened} training conversations are too long for the window: {self.turns} earlier messages were "
            "left out of them.": self.shortened,
            f"{self.cut} training answers were cut at their end, to fit into the window.": self.cut,
            f"{self.unfit} training conversations were left out: the last question alone fills the window.": self.unfit,
        }
        return [words for words, count in said.items() if count]


def fitted(messages: Messages, template: Template, max_length: int, number: int, *, targets: bool) -> dict[str, Any]:
    """What of a conversation the model reads.

    Args:
        messages: with ``targets`` they end with an answer, else with the user's message.
        max_length: tokens.
        number: of the row, from 1, for messages.

    Returns:
        ``input_ids`` int32 [length], with ``targets`` also ``target`` [length] (-100 where nothing is learned: all of
        it where the last question is too long); ``left_out`` (earlier messages), ``cut`` and ``unfit`` (bool).

    Raises:
        DataError: it does not fit the template; or, without ``targets``, its last message is too long.
    """
    head, turns = _divided(messages)
    last = max(0, len(turns) - (1 if targets else 0) - 1) // 2
    limit = max_length - (0 if targets else ROOM)

    def shorter(pairs: int) -> Messages:
        return [*head, *turns[2 * pairs :]]

    @cache
    def exact(pairs: int) -> tuple[np.ndarray, np.ndarray | None]:
        if not targets:
            return prompt(shorter(pairs), template.processor, template.unthought), None
        whole = encoded(shorter(pairs), template.processor, template.unthought)
        return whole.ids, np.where(whole.learned, whole.ids, -100)

    try:
        pairs = first_fitting(
            last,
            about=lambda n: _about(shorter(n), template, answer=not targets),
            exact=lambda n: len(exact(n)[0]),
            limit=limit,
        )
        ids, target = exact(pairs)
    except Misfit as misfit:
        raise DataError(f"Row {number}: {misfit}.", "Mend the row, or take another model or template.") from misfit
    made: dict[str, Any] = {"input_ids": ids[:max_length], "left_out": 2 * pairs, "cut": False, "unfit": False}
    if target is None:
        if len(ids) > max_length - ROOM:
            raise DataError(
                f"Row {number}: its last message has {len(ids)} tokens with all that must go with it; the model reads "
                f"{max_length} and needs {ROOM} of them to answer.",
                "Shorten the message.",
            )
        return made
    if len(ids) > max_length:
        first = last_answer(target)
        made["unfit"] = first > max_length - ROOM
        made["cut"] = not made["unfit"]
    made["target"] = np.full_like(target[:max_length], -100) if made["unfit"] else target[:max_length]
    return made


def last_answer(target: np.ndarray) -> int:
    """Where the last run of what is learned begins; the length where nothing is.

    >>> last_answer(np.array([-100, 5, -100, 7, 8]))
    3
    """
    learned = np.flatnonzero(target != -100)
    if not len(learned):
        return len(target)
    gaps = np.flatnonzero(np.diff(learned) > 1)
    return int(learned[gaps[-1] + 1 if len(gaps) else 0])


def first_fitting(last: int, about: Callable[[int], int], exact: Callable[[int], int], limit: int) -> int:
    """The least number of pairs left out with which something is at most ``limit`` long; ``last`` where there is none.

    Args:
        about: pairs left out -> the length, nearly, at little cost. Looked for by halves, if it shrinks with the pairs.
        exact: the same, as it is, at a cost: asked near the place that ``about`` gives.

    >>> first_fitting(50, lambda n: 100 - n, lambda n: 101 - n, 90)
    11
    """
    seen = {0: about(0)}
    if seen[0] <= limit:
        pairs = 0
    else:
        pairs = bisect_left(range(last), True, lo=min(1, last), key=lambda n: seen.setdefault(n, about(n)) <= limit)
        sizes = [seen[n] for n in sorted(seen)]
        if sizes != sorted(sizes, reverse=True):
            pairs = 0  # an odd template: one after the other
    while pairs > 0 and exact(pairs - 1) <= limit:
        pairs -= 1
    while pairs < last and exact(pairs) > limit:
        pairs += 1
    return pairs


def _about(messages: Messages, template: Template, *, answer: bool) -> int:
    """Tokens of a conversation in one rendering; cut into its answers it may have a few more or fewer."""
    text = rendered(messages, template.processor, answer=answer)
    return len(template.processor(text, add_special_tokens=False)["input_ids"])


def _divided(messages: Messages) -> tuple[Messages, Messages]:
    """A system message, which stays, and the turns."""
    first = 1 if messages and messages[0]["role"] == "system" else 0
    return messages[:first], messages[first:]
