"""A text, and what is to be controlled of such texts: a sentiment, a topic, both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from tunesmith.data.shapes.parsed import parsed, quoted, whole_number
from tunesmith.data.shapes.shape import Cells, RowProblem, Shape
from tunesmith.data.traits import Traits
from tunesmith.data.words import LABEL, TEXT, rank

LENGTHS = {"short": 0, "medium": 1, "long": 2, "短": 0, "中": 1, "长": 2}
"""Words for a length -> shortest third, middle, longest."""


class ControlledShape(Shape):
    """Gives ``control`` (list of str), ``text`` (what is learned), ``beginning`` and ``length`` (both may be empty).

    Any column of labels could be a control, so a file is of this shape only where the task or ``data.control`` is
    named.
    """

    task: ClassVar[str] = "controlled-generation"
    summary: ClassVar[str] = "texts beside what is controlled of them: one column or several of labels"
    roles: ClassVar[tuple[str, ...]] = ("control", "text", "beginning", "length")
    optional: ClassVar[tuple[str, ...]] = ("beginning", "length")
    target: ClassVar[str] = "text"
    named_by: ClassVar[str] = "control"

    def guess(self, found: Mapping[str, Traits], samples: Mapping[str, list[Any]], why: list[str]) -> dict[str, Any]:
        """The text by its name or length, and a column of labels by its name."""
        columns: dict[str, Any] = {}
        prose = [t for t in found.values() if t.prose]
        named = [t for t in prose if rank(t.name, TEXT) is not None]
        if prose:
            chosen = min(named, key=lambda t: rank(t.name, TEXT) or 0) if named else max(prose, key=lambda t: t.length)
            columns["text"] = chosen.name
            why.append(f'text: "{chosen.name}", {"by its name" if named else "the longest"}')
        labels = [t for t in found.values() if rank(t.name, LABEL) is not None and not t.constant]
        labels = [t for t in labels if t.name != columns.get("text")]
        if labels:
            columns["control"] = min(labels, key=lambda t: rank(t.name, LABEL) or 0).name
            why.append(f'control: "{columns["control"]}", by its name')
        return columns

    def read(self, cells: Cells, *, target: bool) -> Iterator[dict[str, Any]]:
        """One row."""
        length = str(cells.get("length") or "").strip().lower()
        if length and length not in LENGTHS:
            raise RowProblem(f"the length is none of {', '.join(LENGTHS)}: {quoted(length)}")
        row: dict[str, Any] = {"control": controls_of(cells.get("control"))}
        row |= {"beginning": str(cells.get("beginning") or ""), "length": length}
        if target:
            row["text"] = str(cells.get("text") or "").strip()
            if not row["text"]:
                raise RowProblem("the text is empty")
        yield row


def controls_of(value: Any) -> list[str]:
    """One control or several, however they are spelled; numbers without a fraction as such.

    >>> controls_of("good"), controls_of([1.0, "hotel"]), controls_of('["good", "hotel"]')
    (['good'], ['1', 'hotel'], ['good', 'hotel'])

    Raises:
        RowProblem: one is empty.
    """
    value = parsed(value)
    values = value if isinstance(value, list) else [value]
    found = [_word(one) for one in values]
    if not all(found):
        raise RowProblem("the control is empty")
    return found


def _word(value: Any) -> str:
    if value is None or isinstance(value, Mapping | list):
        return ""
    number = whole_number(value) if isinstance(value, float) else None
    return str(value if number is None else number).strip()
