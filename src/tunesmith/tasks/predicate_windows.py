"""Windows of words around a predicate, which is marked among them and repeated behind them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.core.contracts import Feature
from tunesmith.tasks.marked import marker_ids
from tunesmith.tasks.windows import OVERLAP

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

WORD_TOKENS = 16
"""Tokens that are read of a word: its first ones; only the very first one is tagged."""
PREDICATE_TOKENS = 12


def predicate_windows(
    rows: Sequence[Mapping[str, Any]], processor: PreTrainedTokenizerBase, max_length: int, *, frames: bool
) -> list[Feature]:
    """Features of rows with ``text``, ``words`` and ``predicate``: ``words [mark predicate mark] words, predicate``.

    Args:
        frames: repeat the predicate's label ("come.03") instead of its word, where it has one.

    Returns:
        Features with ``own`` (indices of the window's words) and ``places`` (where their first tokens are).
    """
    tokens = _tokens(rows, processor, frames)
    before, between, after = pair_frame(processor)
    markers = marker_ids(processor, 2)
    typed = "token_type_ids" in processor.model_input_names
    features: list[Feature] = []
    for number, row in enumerate(rows):
        pieces = [tokens[word][:WORD_TOKENS] for word in row_words(row)]
        behind = [*between, *tokens[repeated(row, frames)][:PREDICATE_TOKENS], *after]
        marked = marked_words(pieces, row, markers)
        room = max_length - len(before) - len(behind)
        for first, last in spread([len(piece) for piece, _ in marked], room):
            ids, places = list(before), []
            for piece, start in marked[first:last]:
                places.append(len(ids) + start)
                ids += piece
            feature: Feature = {"row": number, "input_ids": np.asarray([*ids, *behind], dtype=np.int32)}
            if typed:
                kinds = np.zeros(len(ids) + len(behind), dtype=np.int8)
                kinds[len(ids) + len(between) :] = 1
                feature["token_type_ids"] = kinds
            features.append({**feature, "own": list(range(first, last)), "places": places})
    return features


def marked_words(
    pieces: Sequence[list[int]], row: Mapping[str, Any], markers: Sequence[int]
) -> list[tuple[list[int], int]]:
    """Each word's tokens and where the word itself begins in them; the predicate's words have markers around."""
    start, end = row["predicate"]["start"], row["predicate"]["end"]
    inside = [i for i, (one, other) in enumerate(row["words"]) if one < end and other > start]
    marked = [(list(piece), 0) for piece in pieces]
    if inside:
        marked[inside[0]] = ([markers[0], *marked[inside[0]][0]], 1)
        marked[inside[-1]] = ([*marked[inside[-1]][0], markers[1]], marked[inside[-1]][1])
    return marked


def spread(lengths: Sequence[int], room: int) -> Iterator[tuple[int, int]]:
    """(first, last) of each window of words that has at most ``room`` tokens; each repeats a part of the one before.

    >>> list(spread([2, 2, 2, 2, 2], 6)), list(spread([9, 1], 4)), list(spread([1, 1], 4))
    ([(0, 3), (3, 5)], [(0, 1), (1, 2)], [(0, 2)])
    """
    ends = np.cumsum(lengths)
    first = 0
    while first < len(lengths):
        begun = int(ends[first]) - lengths[first]
        last = max(first + 1, int(np.searchsorted(ends, begun + room, side="right")))
        yield first, last
        if last >= len(lengths):
            return
        kept = int(np.searchsorted(ends, int(ends[last - 1]) - room * OVERLAP, side="right")) + 1
        first = min(last, max(first + 1, kept))


def repeated(row: Mapping[str, Any], frames: bool) -> str:
    """What stands behind the words: the predicate's frame, else its text."""
    predicate = row["predicate"]
    frame = predicate.get("label") if frames else None
    return str(frame or row["text"][predicate["start"] : predicate["end"]])


def row_words(row: Mapping[str, Any]) -> list[str]:
    """The words; one that a space precedes has it, since tokenizers tell the two apart."""
    text = row["text"]
    return [(" " if text[max(0, start - 1) : start].isspace() else "") + text[start:end] for start, end in row["words"]]


def _tokens(
    rows: Sequence[Mapping[str, Any]], processor: PreTrainedTokenizerBase, frames: bool
) -> dict[str, list[int]]:
    """The ids of every distinct word and predicate; a word has at least one."""
    distinct = list(dict.fromkeys(word for row in rows for word in [*row_words(row), repeated(row, frames)]))
    if not distinct:
        return {}
    ids = processor(distinct, add_special_tokens=False, return_attention_mask=False, verbose=False)["input_ids"]
    blank = processor.get_vocab().get("▁")
    unknown = [processor.unk_token_id or 0]
    return {word: _own(word, list(found), blank) or unknown for word, found in zip(distinct, ids, strict=True)}


def _own(word: str, ids: list[int], blank: int | None) -> list[int]:
    """Without the blank that SentencePiece puts in front of what no space precedes."""
    return ids[1:] if len(ids) > 1 and ids[0] == blank and not word.startswith(" ") else ids


def pair_frame(processor: PreTrainedTokenizerBase) -> tuple[list[int], list[int], list[int]]:
    """The special tokens before, between and after two texts."""
    found = processor("a", "b", return_special_tokens_mask=True)
    ids, mask = list(found["input_ids"]), list(found["special_tokens_mask"])
    first, last = mask.index(0), len(mask) - mask[::-1].index(0)
    gap = [i for i in range(first, last) if mask[i]]
    return ids[:first], [ids[i] for i in gap], ids[last:]
