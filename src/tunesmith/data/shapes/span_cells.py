"""Cells that hold tokens, tags or spans, however they are spelled."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tunesmith.data.shapes.shape import RowProblem
from tunesmith.data.spans import shortened

START = ("start", "start_offset", "begin", "start_idx", "from", "start_char", "start_pos")
END = ("end", "end_offset", "stop", "end_idx", "to", "end_char", "end_pos")
LABEL = ("label", "type", "entity", "entity_group", "entity_type", "tag", "class", "category", "labels", "entity_label")
CLAIM = ("text", "value", "surface", "mention")
"""Keys of what stands at a span's place; the "word" of a pipeline's answer is not the text, and is not read."""


def parsed(cell: Any) -> Any:
    """The cell, out of JSON text where it is such."""
    if isinstance(cell, str) and cell.strip()[:1] in ("[", "{"):
        try:
            return json.loads(cell)
        except ValueError:
            return cell
    return cell


def tokens_in(cell: Any, tags: int | None = None) -> list[str]:
    """Tokens: a list, or text with spaces between them; or its characters, where there are as many tags.

    Raises:
        RowProblem: there are not as many tokens as tags, or no token, or an empty one.
    """
    value = parsed(cell)
    if isinstance(value, str):
        words = value.split()
        value = list(value) if tags is not None and len(words) != tags == len(value) else words
    if not isinstance(value, list) or not all(isinstance(token, str | int | float) for token in value):
        raise RowProblem(f"tokens are no list of words: {_shown(cell)}")
    tokens = [str(token) for token in value]
    if tags is not None and len(tokens) != tags:
        raise RowProblem(f'{len(tokens)} tokens and {tags} tags: "{shortened(" ".join(tokens))}"')
    if not tokens:
        raise RowProblem("there are no tokens")
    if "" in tokens:
        raise RowProblem(f'token {tokens.index("") + 1} is empty: "{shortened(" ".join(tokens))}"')
    return tokens


def tags_in(cell: Any, numbers: bool = False) -> list[str]:
    """Tags: a list, or text with spaces between them.

    Args:
        numbers: whether numbers pass for tags.

    Raises:
        RowProblem: they are numbers, whose names are not known, or no list.
    """
    value = parsed(cell)
    if isinstance(value, str):
        value = value.split()
    if not isinstance(value, list) or not all(isinstance(tag, str | int) for tag in value):
        raise RowProblem(f"tags are no list of words: {_shown(cell)}")
    tags = [str(tag).strip() for tag in value]
    if not numbers and tags and all(tag.lstrip("-").isdecimal() for tag in tags):
        raise RowProblem(f"tags are numbers ({' '.join(tags[:6])}), and their names are not known: write B-PER, O ...")
    return tags


def words_in(cell: Any, text: str) -> list[list[int]]:
    """[start, end] of each word of a text.

    Raises:
        RowProblem: they are no such pairs, empty, outside the text, or not in order.
    """
    value, end = parsed(cell), 0
    for word in value if isinstance(value, list) else [value]:
        pair = isinstance(word, list | tuple) and len(word) == 2 and all(map(_whole, word))
        if not pair or not end <= word[0] < word[1] <= len(text):
            raise RowProblem(f"words are not places one after the other, but {_shown(word)}: {_shown(text)}")
        end = word[1]
    return [[int(part) for part in word] for word in value]


def spans_in(cell: Any) -> list[Any]:
    """The spans of a cell one by one; ``{label: {text: [[start, last]]}}`` as in CLUENER becomes a list.

    Raises:
        RowProblem: it is neither a list nor such a mapping.
    """
    value = parsed(cell)
    if value == "":
        return []
    if isinstance(value, Mapping) and all(isinstance(inner, Mapping) for inner in value.values()):
        return list(_by_label(value))
    if not isinstance(value, list):
        raise RowProblem(f"spans are no list: {_shown(cell)}")
    return value


def _by_label(value: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for label, texts in value.items():
        for text, places in texts.items():
            for place in places if isinstance(places, list) else [places]:
                if not isinstance(place, list) or len(place) != 2 or not all(isinstance(n, int) for n in place):
                    raise RowProblem(f'"{text}" ({label}) has no places such as [[0, 2]]: {_shown(places)}')
                yield {"start": place[0], "end": place[1] + 1, "label": label, "text": text}


def span_of(value: Any) -> dict[str, Any]:
    """``start``, ``end``, ``label`` of a span, and ``text`` where the file says what stands there.

    Read are ``{"start": 0, "end": 6, "label": "place"}``, also under the other names above, and
    ``[0, 6, "place"]`` with the label anywhere.

    Raises:
        RowProblem: a part is missing, or no whole number.
    """
    if isinstance(value, Mapping):
        start, end, label = (_first(value, names) for names in (START, END, LABEL))
        claim = _first(value, CLAIM)
    elif isinstance(value, list) and len(value) >= 3:
        numbers = [part for part in value[:3] if isinstance(part, int) and not isinstance(part, bool)]
        words = [part for part in value[:3] if isinstance(part, str)]
        start, end, label = (*numbers, *words) if len(numbers) == 2 and words else (None, None, None)
        claim = None
    else:
        raise RowProblem(f"a span has no start, end and label: {_shown(value)}")
    if isinstance(label, list) and len(label) == 1:
        label = label[0]
    if not isinstance(label, str | int) or label == "" or not (_whole(start) and _whole(end)):
        raise RowProblem(f"a span has no start, end and label: {_shown(value)}")
    span = {"start": int(start), "end": int(end), "label": str(label)}
    return {**span, "text": claim} if isinstance(claim, str) else span


def _first(value: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((value[name] for name in names if value.get(name) is not None), None)


def _whole(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == int(value)


def _shown(value: Any) -> str:
    return shortened(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str), 60)
