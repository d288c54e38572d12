"""Pairs of entities in a window of tokens: each is the window again, with both entities marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.tasks.token_windows import Pieces

Tokens = tuple[int, int]
"""First token and token after the last."""

MOST_PAIRS = 200
"""Pairs of a window that are read, the nearest ones first."""


def nearest(entities: Sequence[Tokens]) -> list[tuple[int, int]]:
    """Ordered pairs of entities, as indices: all of them, or the ``MOST_PAIRS`` that are nearest to each other.

    >>> nearest([(0, 1), (4, 6)])
    [(0, 1), (1, 0)]
    """
    pairs = list(permutations(range(len(entities)), 2))
    if len(pairs) <= MOST_PAIRS:
        return pairs
    return sorted(pairs, key=lambda pair: abs(entities[pair[0]][0] - entities[pair[1]][0]))[:MOST_PAIRS]


def marked_pair(
    ids: NDArray[Any], head: Tokens, tail: Tokens, markers: Sequence[int]
) -> tuple[NDArray[np.int32], tuple[int, int]]:
    """The window's ids with four markers put in, and where the two opening ones are.

    >>> made, places = marked_pair(np.array([5, 6, 7]), (2, 3), (0, 1), [91, 92, 93, 94])
    >>> made.tolist(), places
    ([93, 5, 94, 6, 91, 7, 92], (4, 0))
    """
    # At one place, what ends closes before the next one opens.
    borders = sorted(
        [(head[0], 1, 0), (head[1], 0, 1), (tail[0], 1, 2), (tail[1], 0, 3)], key=lambda border: border[:2]
    )
    places = [border[0] for border in borders]
    made = np.insert(ids, places, [markers[which] for *_, which in borders]).astype(np.int32)
    opened = {which: place + i for i, (place, _, which) in enumerate(borders)}
    return made, (opened[0], opened[2])


def on_pieces(span: Mapping[str, Any], pieces: Pieces) -> Tokens:
    """The pieces that a span of characters touches."""
    first = np.searchsorted(pieces.places[:, 1], span["start"], side="right")
    return int(first), int(np.searchsorted(pieces.places[:, 0], span["end"], side="left"))


def on_characters(tokens: Tokens, pieces: Pieces) -> Tokens:
    """The characters of the words that pieces are of: start and end."""
    first, last = pieces.word[tokens[0]], pieces.word[tokens[1] - 1]
    return int(pieces.words[first, 0]), int(pieces.words[last, 1])
