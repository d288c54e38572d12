"""Dates with slashes are read in one order a column, and a question's own time in its own unit."""

from __future__ import annotations

from pathlib import Path

import pytest

from tunesmith.core.errors import DataError
from tunesmith.core.recipe import Recipe
from tunesmith.data.moments import seconds
from tunesmith.data.prepare import prepare
from tunesmith.data.rows import Rows
from tunesmith.data.settle import as_read
from tunesmith.data.shapes.recommendation import RecommendationShape
from tunesmith.data.shapes.shape import RowProblem
from tunesmith.data.times import times

DAY = 86400
COLUMNS: dict[str, str | list[str]] = {"user": "user", "item": "item", "time": "time"}


def dated(*dates: str) -> Rows:
    return Rows.of([{"user": "u", "item": str(i), "time": one} for i, one in enumerate(dates)])


@pytest.mark.parametrize(
    ("dates", "days"),
    [
        (("01/11/2024", "01/12/2024", "01/13/2024"), (0, 1, 2)),
        (("11/01/2024", "12/01/2024", "13/01/2024"), (0, 1, 2)),
        (("01/11/2024", "02/11/2024"), (0, 1)),
    ],
)
def test_a_column_has_one_order_of_day_and_month(dates: tuple[str, ...], days: tuple[int, ...]) -> None:
    found = times(dated(*dates), "time")
    assert ((found - found[0]) / DAY).tolist() == list(days)
    notes: list[str] = []
    shaped, _ = as_read(dated(*dates), "recommendation", COLUMNS, notes)
    assert shaped.column("time").to_pylist() == found.tolist()
    assert any("day first" in note for note in notes) is (len(days) == 2), "told where no cell tells"


def test_what_does_not_fit_the_others_is_no_date() -> None:
    with pytest.raises(DataError, match="Row 3"):
        times(dated("01/13/2024", "01/14/2024", "15/01/2024"), "time")


def test_dividing_by_time_tells_what_it_took(tmp_path: Path) -> None:
    lines = [
        f"row number {i} of them is {'good' if i % 2 else 'bad'},{'ab'[i % 2]},01/{i:02d}/2024" for i in range(1, 13)
    ]
    (tmp_path / "rows.csv").write_text("\n".join(["text,label,date", *lines]), "utf-8")
    overrides = ["data.split.by=time", "data.split.time=date", "data.split.test=0.2"]
    found = prepare(Recipe.parse({"data": {"path": str(tmp_path / "rows.csv")}}, overrides).data)
    assert any('"01/02/2024" are read with the day first' in note for note in found.notes)


@pytest.mark.parametrize("time", [1709424000, 1709424000000, "1709424000000", 1709424000 * 10**6, "2024-03-03"])
def test_a_question_tells_its_time_in_any_unit(time: object) -> None:
    shape = RecommendationShape()
    (row,) = shape.read({"user": "u", "time": time, "history": [{"item": "a", "time": time}]}, target=False)
    assert row["time"] == 1709424000 == row["history"][0]["time"]
    assert next(shape.read(row, target=False)) == row, "read again, it is the same"


def test_a_question_with_an_unclear_date_is_told_so() -> None:
    shape = RecommendationShape()
    with pytest.raises(RowProblem, match="the day or the month first"):
        next(shape.read({"user": "u", "time": "01/11/2024"}, target=False))
    assert next(shape.read({"user": "u", "time": "01/13/2024"}, target=False))["time"] == seconds("2024-01-13")
    (row,) = shape.read({"user": "u", "time": "9999-12-31"}, target=False)
    assert next(shape.read(row, target=False)) == row, "a far date is no count of milliseconds"
