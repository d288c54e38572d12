"""Conversations made to fit into a window: earlier turns go first, whole, and everything is counted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tunesmith.core.errors import DataError
from tunesmith.tasks.chat_template import Template
from tunesmith.tasks.conversation import Messages, Misfit, encoded, prompt

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
    try:
        for left_out, some in _shorter(messages, answered=targets):  # noqa: B007 - the last one is told
            if targets:
                whole = encoded(some, template.processor)
                ids, target = whole.ids, np.where(whole.learned, whole.ids, -100)
            else:
                ids, target = prompt(some, template.processor), None
            if len(ids) <= max_length - (0 if targets else ROOM):
                break
    except Misfit as misfit:
        raise DataError(f"Row {number}: {misfit}.", "Mend the row, or take another model or template.") from misfit
    made: dict[str, Any] = {"input_ids": ids[:max_length], "left_out": left_out, "cut": False, "unfit": False}
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


def _shorter(messages: Messages, *, answered: bool) -> Iterator[tuple[int, Messages]]:
    """(messages left out, the rest), with ever fewer of the earlier turns; a system message stays."""
    head = [message for message in messages[:1] if message["role"] == "system"]
    turns = messages[len(head) :]
    for left_out in range(0, len(turns) - (1 if answered else 0), 2):
        yield left_out, [*head, *turns[left_out:]]
