"""A long passage beside a short text that must stand in each of its windows: a question, a choice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.core.contracts import Row
from tunesmith.core.errors import DataError
from tunesmith.data.shapes.shape import RowProblem, Shape
from tunesmith.tasks.token_windows import trimmed

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Places = list[tuple[int, int]]
"""First and last + 1 character of each token, or of each slice."""
MARGIN = 2
"""Tokens kept free: a slice may be cut into other tokens than the whole text was."""


def canonical(shape: Shape, rows: Sequence[Row], *, target: bool) -> list[dict[str, Any]]:
    """Rows as the shape gives them, however they are spelled.

    Raises:
        DataError: a row is broken; its number (from 1) and problem are told.
    """
    read = []
    for number, row in enumerate(rows, 1):
        try:
            read += list(shape.read({role: row[role] for role in shape.roles if role in row}, target=target))
        except RowProblem as problem:
            raise DataError(f"Row {number}: {problem}.", "Mend the row, or leave it out.") from None
    return read


def places_of(texts: Sequence[str], processor: PreTrainedTokenizerBase) -> list[Places]:
    """Where each text's tokens stand in it, special tokens left out."""
    if not texts:
        return []
    found = processor(list(texts), add_special_tokens=False, return_offsets_mapping=True, return_attention_mask=False)
    return list(found["offset_mapping"])


def shortened(text: str, places: Places, room: int) -> str:
    """The beginning of a text that has at most ``room`` tokens."""
    return text if len(places) <= room else text[: places[max(0, room - 1)][1]]


def slices(places: Places, length: int, room: int, overlap: float) -> Places:
    """Pieces of a text of at most ``room`` tokens that cover it, each repeating a share of the one before.

    >>> slices([(i, i + 1) for i in range(10)], 10, room=4, overlap=0.25)
    [(0, 4), (3, 7), (6, 10)]

    Args:
        places: of the text's tokens.
        length: the text's characters.
        overlap: share of ``room``; the last piece is as full as the others, so it may repeat more.
    """
    if len(places) <= room:
        return [(0, length)]
    step = max(1, room - int(room * overlap))
    firsts = [*range(0, len(places) - room, step), len(places) - room]
    pieces = [(places[first][0], places[first + room - 1][1]) for first in firsts]
    return [(0, pieces[0][1]), *pieces[1:-1], (pieces[-1][0], length)]


def room_beside(used: int, max_length: int, processor: PreTrainedTokenizerBase) -> int:
    """Tokens left for a passage in a window where another text uses ``used``."""
    return max(1, max_length - processor.num_special_tokens_to_add(pair=True) - used - MARGIN)


def half(max_length: int, processor: PreTrainedTokenizerBase) -> int:
    """The most tokens that the text beside a passage may have: what is longer is cut."""
    return max(1, max_length // 2 - processor.num_special_tokens_to_add(pair=True))


def encoded(
    firsts: Sequence[str], seconds: Sequence[str] | None, processor: PreTrainedTokenizerBase, max_length: int
) -> list[dict[str, Any]]:
    """Pairs as the model reads them: ``input_ids`` int32, ``token_type_ids`` int8 where it has them, and ``places``.

    ``places`` is int32 [length, 2]: where each token of the second text stands in it, -1 for all others.
    """
    made = processor(
        list(firsts), None if seconds is None else list(seconds), truncation=True, max_length=max_length,
        return_offsets_mapping=True, return_attention_mask=False,
    )  # fmt: skip
    features, read = [], firsts if seconds is None else seconds
    for i, ids in enumerate(made["input_ids"]):
        sides = np.array([-1 if side is None else side for side in made.encodings[i].sequence_ids])
        places = trimmed(read[i], np.where((sides == 1)[:, None], np.array(made["offset_mapping"][i]), -1))
        feature: dict[str, Any] = {"input_ids": np.asarray(ids, dtype=np.int32), "places": places}
        if "token_type_ids" in made:
            feature["token_type_ids"] = np.asarray(made["token_type_ids"][i], dtype=np.int8)
        features.append(feature)
    return features
