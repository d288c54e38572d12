"""An encoded text that is too long, in parts that overlap; special tokens stand around each of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenizers import Encoding


class Lists(dict[str, list[Any]]):
    """An encoding's lists by name, each asked for once: it makes them anew whenever they are."""

    def __init__(self, whole: Encoding) -> None:
        super().__init__()
        self._whole = whole

    def __missing__(self, name: str) -> list[Any]:
        made: list[Any] = getattr(self._whole, name)
        self[name] = made
        return made


class Part:
    """Some tokens of an encoded text, as ``tokenizers.Encoding`` names what is known of them."""

    def __init__(self, whole: Lists, spans: Sequence[tuple[int, int]]) -> None:
        self._whole = whole
        self._spans = spans

    def _of(self, name: str) -> list[Any]:
        values, made = self._whole[name], []
        for start, end in self._spans:
            made += values[start:end]
        return made

    @property
    def ids(self) -> list[int]:
        """Ids."""
        return self._of("ids")

    @property
    def type_ids(self) -> list[int]:
        """0 for the first text, usually 1 for the second."""
        return self._of("type_ids")

    @property
    def offsets(self) -> list[tuple[int, int]]:
        """Each token's place in its text."""
        return self._of("offsets")

    @property
    def special_tokens_mask(self) -> list[int]:
        """1 for the model's own tokens."""
        return self._of("special_tokens_mask")

    @property
    def sequence_ids(self) -> list[int | None]:
        """0 or 1, the text that a token is of; None for the model's own."""
        return self._of("sequence_ids")

    @property
    def word_ids(self) -> list[int | None]:
        """The word that a token is of."""
        return self._of("word_ids")


def cut(whole: Encoding, truncation: bool | str, limit: int, stride: int) -> list[Encoding | Part]:
    """An encoding that is too long, in parts; special tokens are around each of them.

    Of two texts that share the room (``truncation`` is True) there is only the first part.
    """
    lists, size = Lists(whole), len(whole)
    sides, excess = lists["sequence_ids"], size - limit
    first, second = _place(sides, 0), _place(sides, 1)
    if truncation is not True or not second[1]:
        start, end = second if truncation == "only_second" else first
        found = pieces(start, end, end - start - excess, stride)
        return [Part(lists, [(0, start), piece, (end, size)]) for piece in found]
    lengths = first[1] - first[0], second[1] - second[0]
    kept = shares(*lengths, sum(lengths) - excess)
    spans = [(0, first[0] + kept[0]), (first[1], second[0] + kept[1]), (second[1], size)]
    return [Part(lists, spans)]


_TOO_SHORT = "A text would have to be cut to nothing: max_length leaves no room for it."


def _place(sides: Sequence[int | None], side: int) -> tuple[int, int]:
    """First and last + 1 token of a text; 0, 0 where it has none."""
    if side not in sides:
        return 0, 0
    return sides.index(side), len(sides) - sides[::-1].index(side)


def pieces(start: int, end: int, room: int, stride: int) -> Iterator[tuple[int, int]]:
    """First and last + 1 of each piece of at most ``room``, each with ``stride`` of the one before it.

    >>> list(pieces(1, 9, 4, 1)), list(pieces(0, 4, 4, 1))
    ([(1, 5), (4, 8), (7, 9)], [(0, 4)])
    """
    if room <= stride or room < 1:
        raise ValueError(_TOO_SHORT)
    for first in range(start, end, room - stride):
        yield first, min(first + room, end)
        if first + room >= end:
            return


def shares(first: int, second: int, room: int) -> tuple[int, int]:
    """Tokens that are left of two texts that share ``room``: the longer one is cut, at last both to a half.

    >>> shares(10, 3, 8), shares(3, 10, 8), shares(10, 10, 7)
    ((5, 3), (3, 5), (3, 4))
    """
    short, long = sorted((first, second))
    left = short if short > room else max(short, room - short)
    if short + left > room:
        short, left = room // 2, room // 2 + room % 2
    return (left, short) if first > second else (short, left)
