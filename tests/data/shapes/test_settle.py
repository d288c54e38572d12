"""Rows of any shape become a table: nested values kept, broken rows set apart, other columns and files as they were."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tunesmith.core.errors import DataError
from tunesmith.data.clean import clean
from tunesmith.data.roles import table_of_roles
from tunesmith.data.rows import Rows
from tunesmith.data.shapes import NAMES
from tunesmith.data.shapes.settle import in_shape
from tunesmith.data.shapes.shape import RowProblem, Shape
from tunesmith.data.split import split
from tunesmith.data.targets import targets


class Pairs(Shape):
    """``"北京=place;Rome=place"`` -> one row a pair; a cell without ``=`` is broken."""

    task = "pairs"
    summary = "for tests"
    roles = ("text", "spans", "pairs")
    target = "spans"

    def guess(self, found: Any, samples: Any, why: list[str]) -> dict[str, Any]:
        return {}

    def read(self, cells: Any, *, target: bool) -> Iterator[dict[str, Any]]:
        for pair in cells["pairs"].split(";"):
            text, equals, label = pair.partition("=")
            if not equals:
                raise RowProblem(f'no "=" in "{pair}"')
            yield {"text": text, "spans": [{"start": 0, "end": len(text), "label": label}] if target else None}

    def names(self, value: Any) -> list[str]:
        return [span["label"] for span in value or []]

    def repaired(self) -> dict[str, int]:
        return {"pairs were read": 3}


def read(values: list[str], **options: Any) -> tuple[Rows, dict[str, Any], list[str]]:
    notes: list[str] = []
    rows = Rows.of([{"pairs": value, "source": f"s{i}"} for i, value in enumerate(values)])
    made, columns = in_shape(rows, Pairs(), {"pairs": "pairs"}, notes=notes, **options)
    return made, columns, notes


def test_one_row_may_hold_several_and_other_columns_stay() -> None:
    rows, columns, _ = read(["北京=place;罗马=place", "🙂=mood"])
    assert columns == {"text": "text", "spans": "spans", NAMES: NAMES}
    assert [row["source"] for row in rows] == ["s0", "s0", "s1"]
    made = table_of_roles(rows, columns, ["text"])
    assert made[2]["text"] == "🙂" and made[2]["spans"] == [{"start": 0, "end": 1, "label": "mood"}]


def test_broken_rows_are_kept_with_row_reason_and_text() -> None:
    rows, _, notes = read(["a=x", "oops", "b=y"])
    assert [row["text"] for row in rows] == ["a", "b"]
    (broken,) = rows.broken
    assert broken.line == 2 and 'no "=" in "oops"' in broken.reason and "oops" in broken.text
    assert any("1 broken row left out, the first is row 2" in note for note in notes)
    assert "3 pairs were read." in notes


def test_nothing_readable_says_why() -> None:
    with pytest.raises(DataError, match=r'no row can be read as pairs: no "=" in "oops" \(row 1\)'):
        read(["oops", "again"])


def test_names_are_strata_and_counts() -> None:
    rows, columns, _ = read(["a=x;b=x", "c=y", "d=x"])
    found = targets(rows, columns)
    assert found.counts == {"x": 3, "y": 1} and found.kind == "labels"
    assert [found.names[i] for i in found.codes] == ["x", "x", "y", "x"]


def test_same_text_with_other_targets_is_no_duplicate() -> None:
    rows, columns, _ = read(["a=x", "a=x", "a=y"])
    kept, report = clean(rows, columns)
    assert len(kept) == 2 and report.duplicates == 1 and report.conflicts == 2


def test_rows_are_divided_by_their_labels() -> None:
    rows, columns, _ = read([f"text number {i} of many words={'xy'[i % 2]}" for i in range(200)])
    parts = split(rows, columns, test=0.2, validation=0.1, near_duplicates=False)
    shares = [sum(name == "x" for row in part for name in row[NAMES]) / len(part) for part in (parts.train, parts.test)]
    assert all(share == pytest.approx(0.5, abs=0.02) for share in shares)


def test_without_targets_nothing_is_wanted_of_them() -> None:
    rows, columns, _ = read(["a=x"], target=False)
    assert columns == {"text": "text"} and NAMES not in rows.columns
