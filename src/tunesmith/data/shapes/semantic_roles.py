"""A sentence, a predicate in it, and the roles that other words play for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from tunesmith.data.shapes.parsed import parsed
from tunesmith.data.shapes.shape import Cells, RowProblem, Shape
from tunesmith.data.shapes.span_cells import span_of, spans_in, tags_in, tokens_in
from tunesmith.data.spans import broken, overlapping, shortened
from tunesmith.data.tags import read_tags, split_tag
from tunesmith.data.traits import Traits
from tunesmith.data.words import normal
from tunesmith.data.words_in_text import joined, units

Words = list[list[int]]
"""[start, end] of each word in the text."""

WORDS = ("words", "tokens", "token", "word", "form", "sentence", "词", "词语", "分词")
INDEX = (
    "predicate_index", "predicate_idx", "predicate_position", "pred_index", "pred_idx", "verb_index", "verb_idx",
    "谓词位置",
)  # fmt: skip
PREDICATE = ("predicate", "frame", "verb", "pred", "sense", "谓词")
TAGS = ("labels", "tags", "roles", "srl_tags", "srl", "arguments", "role_labels", "label", "角色", "语义角色", "标签")
VERB = "V"
"""The tag of the predicate itself, which is no role."""
EMPTY = ("", "_", "-", "*")
FIT = 0.8
"""Share of a sample's rows that must be of this shape."""


class RolesShape(Shape):
    """Gives ``text``, ``words`` ([start, end]), ``predicate`` ({"start", "end", "label"?}) and ``roles`` (spans).

    Read are words with a tag each, as the head of an argument has it (``ARG0``) or by spans (``B-ARG0 I-ARG0``), and
    texts with roles as spans.
    """

    task: ClassVar[str] = "semantic-roles"
    summary: ClassVar[str] = "words, a predicate among them, and the roles of the others: PropBank, CoNLL-2009"
    roles: ClassVar[tuple[str, ...]] = ("text", "words", "tokens", "predicate", "predicate_index", "tags", "roles")
    target: ClassVar[str] = "roles"
    keeps_text: ClassVar[bool] = True

    def guess(self, found: Mapping[str, Traits], samples: Mapping[str, list[Any]], why: list[str]) -> dict[str, Any]:
        """Words and as many tags, beside the place of a predicate or with a V among the tags; or roles as spans."""
        named = {normal(name): name for name in found}
        words, index, frame = (_first(named, names) for names in (WORDS, INDEX, PREDICATE))
        extra = {"predicate_index": index, "predicate": frame}
        extra = {role: column for role, column in extra.items() if column}
        if "roles" in named and "predicate" in named and "text" in named and _dictionaries(samples[named["roles"]]):
            why.append('text, predicate and roles: by their names; "roles" holds spans')
            return {role: named[role] for role in ("text", "words", "predicate", "roles") if role in named}
        for tags in (named[name] for name in TAGS if name in named):
            if words and tags != words and _tagged(samples.get(words, []), samples.get(tags, []), bool(index)):
                told = f'predicate: "{index}"' if index else "a V among the tags is the predicate"
                why.append(f'words and tags: "{words}" and "{tags}", as many tags as words; {told}')
                return {"words": words, **extra, "tags": tags}
        return {}

    def read(self, cells: Cells, *, target: bool) -> Iterator[dict[str, Any]]:
        """One row, of one predicate."""
        tags = _tags(cells["tags"]) if cells.get("tags") is not None else None
        text, words = text_and_words(cells, None if tags is None else len(tags))
        predicate = _predicate(cells, text, words, tags)
        row: dict[str, Any] = {"text": text, "words": words, "predicate": predicate}
        if target:
            row["roles"] = _from_tags(tags, words) if tags is not None else _from_spans(cells, text, words)
        yield row

    def names(self, value: Any) -> list[str]:
        """The roles."""
        return [str(role["label"]) for role in value or []]


def text_and_words(cells: Cells, tags: int | None) -> tuple[str, Words]:
    """The text and where its words are: as given, else found by their spelling, else its words and signs."""
    text, given = cells.get("text"), parsed(cells.get("words") or cells.get("tokens"))
    if given is None and not (isinstance(text, str) and text.strip()):
        raise RowProblem("there is neither a text nor words")
    if given is None:
        return str(text), [list(place) for place in units(str(text))]
    if isinstance(given, list) and given and all(isinstance(word, list) for word in given):
        if not isinstance(text, str):
            raise RowProblem("words are places, and there is no text that they are in")
        return text, _checked(text, given)
    tokens = tokens_in(given, tags)
    return (text, _found(text, tokens)) if isinstance(text, str) and text.strip() else joined(tokens)


def _checked(text: str, words: list[Any]) -> Words:
    end = 0
    for word in words:
        if len(word) != 2 or not all(isinstance(n, int) for n in word) or not end <= word[0] < word[1] <= len(text):
            raise RowProblem(f'the word {word} does not fit the text of {len(text)} characters: "{shortened(text)}"')
        end = word[1]
    return [[int(start), int(end)] for start, end in words]


def _found(text: str, tokens: Sequence[str]) -> Words:
    places, at = [], 0
    for token in tokens:
        at = text.find(token, at)
        if at < 0:
            raise RowProblem(f'the word "{shortened(token)}" is not where it should be in "{shortened(text)}"')
        places.append([at, at + len(token)])
        at += len(token)
    return places


def _tags(cell: Any) -> list[str]:
    value = parsed(cell)
    if isinstance(value, list) and all(isinstance(tag, str) or tag is None for tag in value):
        return ["O" if tag is None or tag.strip() in EMPTY else tag.strip() for tag in value]
    return tags_in(value)


def _predicate(cells: Cells, text: str, words: Words, tags: list[str] | None) -> dict[str, Any]:
    """Where the predicate is: by its index, its place, its word, or its tag."""
    given, index = parsed(cells.get("predicate")), parsed(cells.get("predicate_index"))
    label = given.strip() if isinstance(given, str) else None
    if isinstance(given, int | float) and not isinstance(given, bool) and index is None:
        given, index = None, given
    if isinstance(index, list) and len(index) == 1:
        index = index[0]
    if isinstance(index, str) and index.strip().isdecimal():
        index = int(index)
    if index is not None:
        if isinstance(index, bool) or not isinstance(index, int | float) or index != int(index):
            raise RowProblem(f'the predicate\'s index is "{index}", and no number: "{shortened(text)}"')
        if not 0 <= index < len(words):
            raise RowProblem(f'the predicate\'s index is {index} of {len(words)} words: "{shortened(text)}"')
        return _at(words[int(index)][0], words[int(index)][1], label)
    if isinstance(given, Mapping | list):
        span = span_of({"label": "predicate", **given} if isinstance(given, Mapping) else [*given[:2], "predicate"])
        if (problem := broken(text, span)) is not None:
            raise RowProblem(f"predicate: {problem}")
        return _at(span["start"], span["end"], given.get("label") if isinstance(given, Mapping) else None)
    verbs = [i for i, tag in enumerate(tags or []) if split_tag(tag)[1] == VERB]
    if verbs:
        last = next((i for i, n in enumerate(verbs) if n != verbs[0] + i), len(verbs)) - 1
        return _at(words[verbs[0]][0], words[verbs[last]][1], label)
    if label:
        return _at(*_named(text, words, label), None)
    raise RowProblem(f'no predicate is given: "{shortened(text)}"')


def _named(text: str, words: Words, name: str) -> tuple[int, int]:
    """The first place where words make up the name."""
    starts, ends = {start for start, _ in words}, {end for _, end in words}
    at = text.find(name)
    while at >= 0 and not (at in starts and at + len(name) in ends):
        at = text.find(name, at + 1)
    if at < 0:
        raise RowProblem(f'the predicate "{shortened(name)}" is no word of the text: "{shortened(text)}"')
    return at, at + len(name)


def _at(start: int, end: int, label: Any) -> dict[str, Any]:
    return {"start": start, "end": end, **({"label": str(label)} if label else {})}


def _from_tags(tags: list[str], words: Words) -> list[dict[str, Any]]:
    """Tags without parts are of single words: the heads of arguments."""
    if all(split_tag(tag)[0] in ("", "O") for tag in tags):
        heads = ((i, i + 1, tag) for i, tag in enumerate(tags) if tag != "O")
    else:
        heads = ((span.start, span.end, span.label) for span in read_tags(tags).spans)
    return [
        {"start": words[start][0], "end": words[end - 1][1], "label": label}
        for start, end, label in heads
        if label != VERB
    ]


def _from_spans(cells: Cells, text: str, words: Words) -> list[dict[str, Any]]:
    if cells.get("roles") is None:
        raise RowProblem(f'neither roles nor tags are given; a row without any has an empty list: "{shortened(text)}"')
    roles = [span_of(value) for value in spans_in(cells["roles"])]
    problems = [broken(text, role, words) for role in roles]
    if any(problems):
        raise RowProblem(next(problem for problem in problems if problem))
    if crossing := overlapping(roles):
        one = crossing[0]
        raise RowProblem(f'the role {one["start"]}-{one["end"]} "{one["label"]}" overlaps another: "{shortened(text)}"')
    kept = [role for role in roles if role["label"] != VERB]
    return [{key: role[key] for key in ("start", "end", "label")} for role in sorted(kept, key=lambda r: r["start"])]


def _first(named: Mapping[str, str], names: Sequence[str]) -> str | None:
    return next((named[name] for name in names if name in named), None)


def _dictionaries(values: list[Any]) -> bool:
    cells = [parsed(value) for value in values]
    return bool(cells) and all(isinstance(cell, list) and all(isinstance(r, dict) for r in cell) for cell in cells)


def _tagged(words: list[Any], tags: list[Any], placed: bool) -> bool:
    """Whether rows have as many tags as words; without the predicate's place, a V must be among them."""
    fits = 0
    for one, other in zip(words, tags, strict=False):
        some, many = parsed(one), parsed(other)
        if isinstance(some, list) and isinstance(many, list) and len(some) == len(many):
            fits += placed or any(isinstance(tag, str) and split_tag(tag)[1] == VERB for tag in many)
    return fits >= FIT * max(1, len(tags))
