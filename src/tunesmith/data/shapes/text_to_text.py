"""A text and another one that is made of it: a summary, or a translation."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, ClassVar

from tunesmith.data.language import language_of
from tunesmith.data.shapes.direction import directed
from tunesmith.data.shapes.parsed import parsed
from tunesmith.data.shapes.shape import Cells, RowProblem, Shape
from tunesmith.data.shapes.text_to_text_names import (
    LANGUAGES,
    LONG,
    PAIRS,
    SHORT,
    SPOKEN,
    SUMMED,
    language_code,
)
from tunesmith.data.traits import Traits
from tunesmith.data.words import LABEL, LABELS, normal, rank

SHORTER = 0.7
"""A summary has at most so many of its text's characters."""
FLAGS = 3
"""Columns of 0 and 1 that are labels together."""


class TextToTextShape(Shape):
    """Gives ``text`` and ``target``, and ``references`` (list of str) where a row has several right ones."""

    roles: ClassVar[tuple[str, ...]] = ("text", "target", "references", "translation")
    optional: ClassVar[tuple[str, ...]] = ("references",)
    target: ClassVar[str] = "target"
    remembers: ClassVar[bool] = True
    _sides: tuple[str, ...] = ()
    """Of a column ``translation``, the keys of text and target."""

    def spelled(self, columns: Mapping[str, Any], there: Collection[str]) -> Mapping[str, Any]:
        """``summary1``, ``summary2`` ... of a test file are references, where training rows have one ``summary``; so is
        a column called ``references``.
        """
        target = columns.get("target")
        if "references" in there and "references" not in {*columns, *columns.values()} and target in there:
            return {**columns, "references": "references"}
        several = [name for name in there if re.fullmatch(rf"{re.escape(str(target))}[ _-]?\d+", name)]
        if target is None or target in there or not several:
            return columns
        return {**{role: name for role, name in columns.items() if role != "target"}, "references": several}

    def read(self, cells: Cells, *, target: bool) -> Iterator[dict[str, Any]]:
        """One row."""
        cells = self._spread(cells)
        row: dict[str, Any] = {"text": _text(cells.get("text"))}
        if not row["text"]:
            raise RowProblem("the text is empty")
        if target:
            several = [found for one in _listed(cells.get("references")) if (found := _text(one))]
            row["target"] = _text(cells.get("target")) or next(iter(several), "")
            if not row["target"]:
                raise RowProblem(f'the target is empty: "{row["text"][:40]}"')
            if several:
                row["references"] = several
        yield row

    def _spread(self, cells: Cells) -> dict[str, Any]:
        """Cells with the two sides of a column ``translation`` apart.

        By the languages that are told, else in all rows those that come first in the first.

        Raises:
            RowProblem: a row has other sides.
        """
        both = parsed(cells.get("translation"))
        if not isinstance(both, Mapping):
            return dict(cells)
        if not self._sides and sum(1 for text in both.values() if text) < 2:
            raise RowProblem("the translation has one side")  # and the next row says which sides there are
        self._sides = self._sides or directed(list(both)[:2], both, self.languages)
        if missing := [side for side in self._sides if side not in both]:
            raise RowProblem(f'the translation has no "{missing[0]}", as the first row has')
        return {**cells, **dict(zip(("text", "target"), map(both.get, self._sides), strict=False))}


class SummaryShape(TextToTextShape):
    """A long text and a short one of the same language."""

    task: ClassVar[str] = "summarization"
    summary: ClassVar[str] = "a text and a shorter one that says the same: a summary, a title"

    def guess(self, found: Mapping[str, Traits], samples: Mapping[str, list[Any]], why: list[str]) -> dict[str, Any]:
        """By names; the second one is shorter. Beside a label only names that are a summary's alone say enough."""
        pair = _named(found, LONG, SHORT) or _plain_pair(found)
        if pair is None:
            return {}
        long, short = found[pair[0]], found[pair[1]]
        if not (long.prose and short.prose and short.length < SHORTER * long.length):
            return {}
        labels = _labels(found, pair)
        sure = normal(short.name) in SUMMED or normal(long.name) in SPOKEN
        if not sure and (labels or _is_label(short)):
            return {}
        one, other = (language_of(map(str, samples.get(name, []))) for name in pair)
        if pair == _plain_pair(found) and _differ(one, other):
            return {}
        why.append(f'text and target: "{pair[0]}" and "{pair[1]}", by their names')
        why.append(f"task: summarization, since targets have {short.length / long.length:.0%} of their texts' length")
        if labels:
            role = f"labels=[{','.join(labels)}]" if found[labels[0]].flag and len(labels) > 1 else f"label={labels[0]}"
            why.append(f"label could be: {', '.join(labels)}. If so: data.{role}")
        return dict(zip(("text", "target"), pair, strict=True))


class TranslationShape(TextToTextShape):
    """A text in two languages."""

    task: ClassVar[str] = "translation"
    summary: ClassVar[str] = "a text in two languages"

    def guess(self, found: Mapping[str, Traits], samples: Mapping[str, list[Any]], why: list[str]) -> dict[str, Any]:
        """Columns that are called as languages, or a source and a target in two of them."""
        for name in found:
            cells = [parsed(value) for value in samples.get(name, [])]
            if normal(name) == "translation" and cells and all(isinstance(one, Mapping) for one in cells):
                why.append(f'text and target: both in "{name}", {" to ".join(list(cells[0])[:2])}')
                return {"translation": name}
        named = [name for name in found if language_code(name) and (found[name].prose or found[name].identifier)]
        if len({language_code(name) for name in named}) > 1:
            one, other, *more = named
            why.append(f'text and target: "{one}" and "{other}", two languages, in the order of the file')
            if more:
                why.append(f"target could also be: {', '.join(more)}. If so: data.target={more[0]}")
            return {"text": one, "target": other}
        pair = _plain_pair(found)
        if pair is None or not all(found[name].prose for name in pair):
            return {}
        if _is_label(found[pair[1]]) or _labels(found, pair):
            return {}
        languages = [language_of(map(str, samples.get(name, []))) for name in pair]
        if not _differ(*languages) and normal(pair[1]) not in LANGUAGES["translated"]:
            return {}
        why.append(f'text and target: "{pair[0]}" and "{pair[1]}", by their names')
        why.append(f"task: translation, since the texts are {languages[0]} and the targets {languages[1]}")
        return dict(zip(("text", "target"), pair, strict=True))


def _named(found: Mapping[str, Traits], texts: tuple[str, ...], targets: tuple[str, ...]) -> tuple[str, str] | None:
    """A column called as a text and another one called as a target, each the likeliest."""
    first, second = (
        sorted((name for name in found if rank(name, known) is not None), key=lambda name: rank(name, known) or 0)
        for known in (texts, targets)
    )
    return next(((one, other) for other in second for one in first if one != other), None)


def _plain_pair(found: Mapping[str, Traits]) -> tuple[str, str] | None:
    """Two columns called as the two sides of a pair."""
    names = {normal(name): name for name in found}
    return next(((names[one], names[other]) for one, other in PAIRS if one in names and other in names), None)


def _labels(found: Mapping[str, Traits], pair: tuple[str, str]) -> list[str]:
    """Columns beside the pair that are rather what is to be learned: called a label, or three and more flags."""
    others = [look for name, look in found.items() if name not in pair and not look.identifier and not look.constant]
    known = (*LABEL, *LABELS)
    flags = [look.name for look in others if look.flag]
    named = [look.name for look in others if rank(look.name, known) is not None and _is_label(look)]
    return named or (flags if len(flags) >= FLAGS else [])


def _is_label(look: Traits) -> bool:
    return look.repeats or look.numeric > 0.9 or look.lists


def _differ(one: str, other: str) -> bool:
    return one != other and "und" not in (one, other)


def _listed(value: Any) -> list[Any]:
    value = parsed(value)
    return value if isinstance(value, list) else [] if value in (None, "") else [value]


def _text(value: Any) -> str:
    """A cell's text; sentences in a list stand in lines."""
    if isinstance(value, list):
        return "\n".join(_text(one) for one in value)
    return "" if value is None else str(value).strip()
