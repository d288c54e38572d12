"""Texts as pieces with their places and words; long ones as overlapping windows that are put together again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.contracts import Feature
from tunesmith.data.words_in_text import is_unspaced_letter
from tunesmith.tasks.windows import OVERLAP

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Ints = NDArray[np.int32]
Words = Sequence[Sequence[int]]
"""[start, end] of each word, in order."""


@dataclass(frozen=True)
class Pieces:
    """A text as the tokenizer cuts it, without special tokens."""

    text: str
    ids: Ints
    places: Ints
    """[pieces, 2]: start and end of each in the text, white space left out."""
    word: Ints
    """[pieces]: the word that each is of."""
    words: Ints
    """[words, 2]: start and end; only words that have pieces."""
    first: Ints
    """[words]: each word's first piece."""


def pieces_of(
    texts: Sequence[str], words: Sequence[Words | None], processor: PreTrainedTokenizerBase
) -> Iterator[Pieces]:
    """Each text in pieces.

    Args:
        words: of each text; None: as the tokenizer finds them, each letter by itself in unspaced languages.
    """
    for start in range(0, len(texts), 1024):  # bounded: the tokenizer's own objects are large
        part = list(texts[start : start + 1024])
        found = processor(part, add_special_tokens=False, return_offsets_mapping=True, return_attention_mask=False)
        for i, text in enumerate(part):
            ids = np.asarray(found["input_ids"][i], dtype=np.int32)
            places = trimmed(text, found["offset_mapping"][i])
            given = words[start + i] or None
            word = _numbered(text, places, found.encodings[i].word_ids) if given is None else _given(places, given)
            yield _pieces(text, ids, places, word, given)


def trimmed(text: str, offsets: Sequence[tuple[int, int]] | NDArray[Any]) -> Ints:
    """Some tokenizers count the white space before a word to it."""
    places = np.array(offsets, dtype=np.int32).reshape(-1, 2)
    blank = np.fromiter(map(str.isspace, text), dtype=bool, count=len(text))
    while blank.any() and len(again := np.flatnonzero(places[:, 0] < places[:, 1])):
        again = again[blank[places[again, 0]]]
        if not len(again):
            break
        places[again, 0] += 1
    return places


def _numbered(text: str, places: Ints, word_ids: Sequence[int | None]) -> Ints:
    """The pieces' words, told by the tokenizer's own cuts and by unspaced letters."""
    numbers = np.zeros(len(places), dtype=np.int32)
    number, end, last = -1, 0, None
    for i, ((start, stop), word_id) in enumerate(zip(places.tolist(), word_ids, strict=True)):
        # Pieces of one character (its bytes, a lone "▁") have the same place: they stay together.
        if number < 0 or (start >= end and (word_id != last or is_unspaced_letter(text[start : start + 1]))):
            number += 1
        numbers[i], end, last = number, max(end, stop), word_id
    return numbers


def _given(places: Ints, words: Words) -> Ints:
    """The word that each piece begins in."""
    starts = np.asarray([word[0] for word in words], dtype=np.int32)
    found: Ints = np.maximum(np.searchsorted(starts, places[:, 0], side="right") - 1, 0).astype(np.int32)
    return found


def _pieces(text: str, ids: Ints, places: Ints, word: Ints, given: Words | None) -> Pieces:
    numbers, first, index = np.unique(word, return_index=True, return_inverse=True)
    starts, ends = places[first, 0], np.maximum.reduceat(places[:, 1], first) if len(first) else places[:, 1]
    if given is not None:
        # A word may hold signs that have no piece at all; a piece may reach over the word's end.
        known = np.asarray(given, dtype=np.int32).reshape(-1, 2)[numbers] if len(numbers) else places
        starts, ends = known[:, 0], np.maximum(known[:, 1], ends)
    words = np.stack([starts, ends], axis=1).astype(np.int32)
    return Pieces(text, ids, places, index.astype(np.int32), words, first.astype(np.int32))


def token_windows(rows: Sequence[Pieces], processor: PreTrainedTokenizerBase, max_length: int) -> list[Feature]:
    """Features of at most ``max_length`` tokens, special ones included.

    Returns:
        Features in the rows' order: ``row``, ``input_ids``, ``token_type_ids`` where the model has them; ``pieces``
        (the row's), ``window`` (first and last+1 of its pieces in the window), ``own`` (those that this window
        answers for: each piece is in the window that shows most on both sides of it), ``lead`` (special tokens
        before the first).
    """
    before, after, kind = _special(processor)
    room = max(1, max_length - len(before) - len(after))
    features: list[Feature] = []
    for row, pieces in enumerate(rows):
        for window, own in _cuts(len(pieces.ids), room):
            ids = np.concatenate([before, pieces.ids[slice(*window)], after]).astype(np.int32)
            feature: Feature = {"row": row, "input_ids": ids, "pieces": pieces, "window": window, "own": own}
            if kind is not None:
                feature["token_type_ids"] = np.full(len(ids), kind, dtype=np.int8)
            features.append({**feature, "lead": len(before)})
    return features


def _special(processor: Any) -> tuple[list[int], list[int], int | None]:
    """Ids before and after a text, and its token type."""
    probe = processor("a")
    inside = [i for i, side in enumerate(probe.encodings[0].sequence_ids) if side == 0]
    ids = probe["input_ids"]
    kind = probe["token_type_ids"][inside[0]] if "token_type_ids" in probe else None
    return ids[: inside[0]], ids[inside[-1] + 1 :], kind


def _cuts(length: int, room: int) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Each window, and what it answers for: half of what it shares with its neighbours.

    >>> list(_cuts(10, 8)), list(_cuts(0, 8))
    ([((0, 8), (0, 8)), ((7, 10), (8, 10))], [((0, 0), (0, 0))])
    """
    shared = int(room * OVERLAP)
    start, done = 0, 0
    while True:
        end = min(start + room, length)
        own = (done, end if end == length else end - shared // 2)
        yield (start, end), own
        if end == length:
            return
        start, done = end - shared, own[1]


def put_together(
    outputs: Sequence[NDArray[Any]], features: Sequence[Feature]
) -> Iterator[tuple[Pieces, NDArray[np.float64]]]:
    """Each row's pieces, and the outputs of all of them: [pieces, outputs].

    Args:
        outputs: one array a feature, [tokens or more, outputs].
    """
    for _, group in groupby(zip(features, outputs, strict=True), key=lambda pair: pair[0]["row"]):
        members = list(group)
        parts = [array[_tokens(feature, feature["own"])] for feature, array in members]
        yield members[0][0]["pieces"], np.concatenate(parts).astype(np.float64)


def on_tokens(feature: Feature, values: NDArray[Any], fill: Any) -> NDArray[Any]:
    """Values of the row's pieces [pieces, ...] for the window's tokens [tokens, ...]; special ones get ``fill``."""
    made = np.full((len(feature["input_ids"]), *values.shape[1:]), fill, dtype=values.dtype)
    made[_tokens(feature, feature["window"])] = values[slice(*feature["window"])]
    return made


def _tokens(feature: Feature, pieces: tuple[int, int]) -> slice:
    shift = feature["lead"] - feature["window"][0]
    return slice(pieces[0] + shift, pieces[1] + shift)
