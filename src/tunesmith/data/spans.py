"""Whether spans fit their text. Nothing is moved to where it might have been meant: a broken span is said."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Span = Mapping[str, Any]
"""``start``, ``end`` (characters, end exclusive), ``label``; ``text`` where the file says what stands there."""

CONTEXT = 12
"""Characters shown on each side of a broken span."""


def broken(text: str, span: Span, words: Sequence[Sequence[int]] | None = None) -> str | None:
    """Why a span cannot stand as it is, with the text around it; None where it can.

    Args:
        text: what the span points into.
        span: checked to be inside, not empty, and to hold the text that it claims.
        words: [start, end] of each word in order, where known: a span begins and ends with a word.

    >>> broken("Berlin is big", {"start": 0, "end": 4, "label": "place"}, [[0, 6], [7, 9], [10, 13]])
    'the span 0-4 "place" cuts through a word: "[Berl]in is big"'
    """
    start, end, name = span["start"], span["end"], f'the span {span["start"]}-{span["end"]} "{span["label"]}"'
    if not (0 <= start <= len(text) and 0 <= end <= len(text)):
        return f'{name} is outside the text, which has {len(text):,} characters: "{shortened(text)}"'
    if end <= start:
        return f"{name} is empty: {around(text, start, start)}"
    claimed = span.get("text")
    if claimed is not None and claimed != text[start:end]:
        return f'{name} should be "{shortened(str(claimed))}" and is not: {around(text, start, end)}'
    if words is not None and not _on_words(words, start, end):
        return f"{name} cuts through a word: {around(text, start, end)}"
    return None


def around(text: str, start: int, end: int, width: int = CONTEXT) -> str:
    """A place in a text, in quotes, marked by brackets.

    >>> around("We live in Berlin now.", 11, 17, width=8)
    '"…live in [Berlin] now."'
    """
    before, after = max(0, start - width), min(len(text), end + width)
    shown = f"{text[before:start]}[{shortened(text[start:end], 60)}]{text[end:after]}"
    return f'"{"…" * (before > 0)}{shown}{"…" * (after < len(text))}"'.replace("\n", " ")


def shortened(text: str, most: int = 40) -> str:
    """The text, cut where it is long."""
    return text if len(text) <= most else text[: most - 1] + "…"


def overlapping(spans: Iterable[Span]) -> list[Span]:
    """Spans that share characters with one that begins before them, or that begins there and is longer.

    What is left without them does not overlap.
    """
    found, end = [], 0
    for span in sorted(spans, key=lambda span: (span["start"], -span["end"])):
        if span["start"] < end:
            found.append(span)
        else:
            end = span["end"]
    return found


def without_duplicates(spans: Iterable[Span]) -> list[Span]:
    """In order of place, each (start, end, label) once."""
    unique = {(span["start"], span["end"], span["label"]): span for span in spans}
    return [unique[key] for key in sorted(unique)]


def _on_words(words: Sequence[Sequence[int]], start: int, end: int) -> bool:
    first = bisect_left(words, start, key=lambda word: word[0])
    last = bisect_left(words, end, key=lambda word: word[1])
    return first < len(words) and last < len(words) and words[first][0] == start and words[last][1] == end
