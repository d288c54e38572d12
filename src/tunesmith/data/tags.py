"""Tags of words and spans of words, both ways: BIO, IOB1, BIOES (BILOU), BMES, IO, and plain tags (parts of speech).

Spans are (first word, word after the last, label). Reading needs no scheme: it is that of conlleval and seqeval, in
which an inside tag without a beginning begins a span itself. What each scheme would forbid is counted beside.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Scheme = Literal["BIO", "BIOES", "BMES", "IOB1"]
OUTSIDE = "O"

BARE = frozenset("BIMELSUO")
"""Tags that are a part without a label: chunks of one kind, the words of a text without spaces."""
ONE_LABEL = "span"
"""The label of spans whose tags name none."""

_PARTS = {"B": "B", "I": "I", "M": "I", "E": "E", "L": "E", "S": "S", "U": "S"}
_TAG = re.compile(r"([BIMELSU])[-_](.+)", re.S)
_LETTERS = {"BIO": "BIIB", "BIOES": "BIES", "BMES": "BMES"}
"""The letters of a span's first, middle and last word, and of a span of one word."""


class WordSpan(NamedTuple):
    """Words ``start`` to ``end`` (exclusive) under a label."""

    start: int
    end: int
    label: str


@dataclass
class Reading:
    """The spans that a row's tags mean, and what was odd about the tags."""

    spans: list[WordSpan] = field(default_factory=list)
    openings: int = 0
    """Spans that begin with a B where IOB1 would write an I."""
    orphans: int = 0
    """Spans that begin with an inside or an end tag: wrong in all schemes but IOB1."""
    unclosed: int = 0
    """Spans without their end tag, in a row that has end tags."""

    def mended(self) -> Counter[str]:
        """What was read against the scheme of these tags, in words; IOB1 is told by its having no openings."""
        odd = {"spans that began without a B- tag": self.orphans if self.openings else 0}
        return Counter({**odd, "spans that ended without an E- tag": self.unclosed}) + Counter()

    def add(self, other: Reading) -> None:
        """Count another row's oddities with this one's; the spans are left."""
        self.openings += other.openings
        self.orphans += other.orphans
        self.unclosed += other.unclosed


def split_tag(tag: str) -> tuple[str, str]:
    """Part ("B", "I", "E", "S", "O", or "" where the tag is plain) and label.

    >>> split_tag("M-ORG"), split_tag("U-PER"), split_tag("O"), split_tag("NN")
    (('I', 'ORG'), ('S', 'PER'), ('O', ''), ('', 'NN'))
    """
    if tag == OUTSIDE:
        return OUTSIDE, ""
    found = _TAG.fullmatch(tag)
    return (_PARTS[found[1]], found[2]) if found else ("", tag)


def is_plain(tags: Iterable[str]) -> bool:
    """Whether some tag is neither O nor a part with a label, as in parts of speech."""
    return any(not split_tag(tag)[0] for tag in tags)


@dataclass(frozen=True)
class Style:
    """How tags are written, the same in all rows of a file."""

    plain: bool
    """Labels alone, as in parts of speech; otherwise parts with labels."""
    merged: bool
    """Plain tags with an O among them (IO): equal neighbours are one span."""


def style_of(tags: Iterable[str] | Mapping[str, int]) -> Style:
    """How most of a file's tags are written; a row of them may lack what tells.

    >>> style_of(["PER", "PER", "O"]), style_of(["B-PER", "I-PER", "PER"]), style_of(["NN", "VB"])
    (Style(plain=True, merged=True), Style(plain=False, merged=False), Style(plain=True, merged=False))
    """
    counts = Counter(tags)
    plain = {tag: split_tag(tag)[0] == "" for tag in counts if tag != OUTSIDE}
    most = sum(count if plain[tag] else -count for tag, count in counts.items() if tag != OUTSIDE)
    return Style(most > 0, most > 0 and OUTSIDE in counts)


def is_bare(tags: Iterable[str]) -> bool:
    """Whether a file's tags are parts that name no label: a B with what goes on after it, and nothing but parts.

    >>> is_bare("BMESS"), is_bare(["B", "I", "O"]), is_bare(["B", "I-PER"]), is_bare("SO"), is_bare(["NN", "B"])
    (True, True, False, False, False)
    """
    found = set(tags)
    return found <= BARE and "B" in found and not found.isdisjoint("IMEL")


def labelled(tags: Sequence[str]) -> list[str]:
    """Bare tags with the one label that they all mean.

    >>> labelled(["B", "E", "O"])
    ['B-span', 'E-span', 'O']
    """
    return [tag if tag == OUTSIDE else f"{tag}-{ONE_LABEL}" for tag in tags]


def read_tags(tags: Sequence[str], style: Style | None = None) -> Reading:
    """The spans of a row's tags.

    Plain tags make each word a span of its own; where there is an O among them (IO), equal neighbours are one span.

    Args:
        style: of the file that the row is of; None: what the row itself shows.

    Raises:
        ValueError: a tag is plain, and those of the file are not.

    >>> read_tags(["B-PER", "I-PER", "O", "S-LOC"]).spans
    [WordSpan(start=0, end=2, label='PER'), WordSpan(start=3, end=4, label='LOC')]
    >>> [tuple(span) for span in read_tags(["I-PER", "B-PER", "I-LOC"]).spans]
    [(0, 1, 'PER'), (1, 2, 'PER'), (2, 3, 'LOC')]
    """
    style = style or Style(is_plain(tags), OUTSIDE in tags)
    if style.plain:
        return Reading(_plain(tags, style.merged))
    parts = [split_tag(tag) for tag in tags]
    if (odd := next((label for part, label in parts if not part), None)) is not None:
        raise ValueError(f'the tag "{odd}" lacks a B- or I- before it, which others of the file have')
    ends = any(part in "ES" for part, _ in parts)
    made = Reading()
    start, label, last = 0, "", OUTSIDE  # of the open span; last is its latest part
    for i, (part, name) in enumerate([*parts, (OUTSIDE, "")]):
        if last != OUTSIDE and not _goes_on(last, label, part, name):
            made.spans.append(WordSpan(start, i, label))
            made.unclosed += ends and last not in "ES"
            previous, last = label, OUTSIDE
        else:
            previous = ""
        if part == OUTSIDE:
            continue
        if last == OUTSIDE:
            start, label = i, name
            made.orphans += part in "IE"
            made.openings += part in "BS" and previous != name
        last = part
    return made


def _goes_on(last: str, label: str, part: str, name: str) -> bool:
    return part in "IE" and last in "BI" and name == label


def _plain(tags: Sequence[str], merged: bool) -> list[WordSpan]:
    spans: list[WordSpan] = []
    for i, tag in enumerate(tags):
        if tag == OUTSIDE:
            continue
        label = tag
        if merged and spans and spans[-1].end == i and spans[-1].label == label:
            spans[-1] = spans[-1]._replace(end=i + 1)
        else:
            spans.append(WordSpan(i, i + 1, label))
    return spans


def write_tags(spans: Iterable[WordSpan], words: int, scheme: Scheme = "BIO") -> list[str]:
    """The tags of spans that do not overlap.

    Args:
        words: how many there are.

    Raises:
        ValueError: a span is empty, outside the words, or overlaps another.

    >>> write_tags([WordSpan(1, 3, "PER")], 4, "BIOES")
    ['O', 'B-PER', 'E-PER', 'O']
    """
    tags = [OUTSIDE] * words
    before: WordSpan | None = None
    for span in sorted(spans):
        if not 0 <= span.start < span.end <= words:
            raise ValueError(f"{span} is empty or outside of {words} words")
        if before is not None and span.start < before.end:
            raise ValueError(f"{span} overlaps {before}")
        if scheme == "IOB1":
            touches = before is not None and before.end == span.start and before.label == span.label
            letters = ["B" if touches else "I", *"I" * (span.end - span.start - 1)]
        else:
            letters = _span_letters(_LETTERS[scheme], span.end - span.start)
        tags[span.start : span.end] = [f"{letter}-{span.label}" for letter in letters]
        before = span
    return tags


def _span_letters(letters: str, length: int) -> list[str]:
    return [letters[3]] if length == 1 else [letters[0], *letters[1] * (length - 2), letters[2]]
