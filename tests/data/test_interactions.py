"""Logs: guessed, read, divided by time; and what cannot be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tunesmith.core.errors import DataError, RecipeError
from tunesmith.core.recipe import Recipe
from tunesmith.data.interactions import interactions
from tunesmith.data.prepare import Prepared, prepare
from tunesmith.data.rows import Rows
from tunesmith.data.schema import guess
from tunesmith.data.side_tables import item_table

DAY, START = 86400, 1_500_000_000


def log(users: int = 4, each: int = 5, **more: Any) -> list[dict[str, Any]]:
    """Every user takes the items in an order of their own, a day after the other."""
    return [
        {
            "userId": u,
            "movieId": (u * 3 + k) % 7,
            "rating": 3.5,
            "timestamp": 1_500_000_000 + DAY * (k * users + u),
            **more,
        }
        for u in range(users)
        for k in range(each)
    ]


def csv(path: Path, rows: list[dict[str, Any]]) -> str:
    lines = [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]
    path.write_text("\n".join(lines), "utf-8")
    return str(path)


def prepared(path: str, *overrides: str) -> Prepared:
    recipe = Recipe.parse({"data": {"path": path}}, overrides)
    return prepare(recipe.data, recipe.task.name)


@pytest.mark.parametrize(
    "names", [("userId", "movieId", "timestamp"), ("用户ID", "商品ID", "时间"), ("customer_id", "product_id", "date")]
)
def test_a_log_is_guessed_by_its_names(names: tuple[str, str, str]) -> None:
    rows = [dict(zip(names, (r["userId"], r["movieId"], r["timestamp"]), strict=True)) for r in log()]
    found = guess(Rows.of(rows))
    assert found.task == "recommendation"
    assert found.columns == dict(zip(("user", "item", "time"), names, strict=True))


def test_a_file_of_reviews_is_no_log() -> None:
    text = "I bought this because of its colour, and it came in time and whole, as it should be: number "
    rows = [{**r, "review": f"{text}{i}"} for i, r in enumerate(log())]
    assert guess(Rows.of(rows)).task != "recommendation"


def test_each_users_newest_is_held_out_and_histories_end_before(tmp_path: Path) -> None:
    found = prepared(csv(tmp_path / "log.csv", log()[::-1]))
    assert (len(found.train), len(found.validation), len(found.test)) == (12, 4, 4)
    for row in [*found.train, *found.validation, *found.test]:
        assert all(event["time"] < row["time"] for event in row["history"])
    assert [len(row["history"]) for row in found.test] == [4] * 4, "the validation row is part of it"
    assert len({row["user"] for row in found.test}) == 4


def test_one_moment_divides_all_users(tmp_path: Path) -> None:
    found = prepared(csv(tmp_path / "log.csv", log(8, 6)), "data.split.by=time", "data.split.test=0.25")
    newest = max(row["time"] for row in found.train)
    assert newest < min(row["time"] for row in found.validation)
    cut = min(row["time"] for row in found.test)
    assert max(row["time"] for row in found.validation) < cut
    for row in found.test:
        assert all(event["time"] < row["time"] for event in row["history"])
    with pytest.raises(RecipeError, match="later choices"):
        prepared(csv(tmp_path / "log.csv", log()), "data.split.by=random")


def test_a_test_file_comes_after_what_is_known(tmp_path: Path) -> None:
    later = [{"userId": u, "movieId": 8, "rating": 4, "timestamp": 1_600_000_000} for u in (0, 1, 99)]
    found = prepared(csv(tmp_path / "log.csv", log()), f"data.test={csv(tmp_path / 'later.csv', later)}")
    assert {row["user"]: len(row["history"]) for row in found.test} == {"0": 5, "1": 5, "99": 0}
    assert len(found.train) == 16 and len(found.validation) == 4


def test_times_in_the_future_are_left_out_and_told() -> None:
    notes: list[str] = []
    rows = Rows.of([{"user": "a", "item": str(i), "time": 1.6e9 + (i == 3) * 1e9} for i in range(5)])
    found, late = interactions(rows, notes, now=1.7e9)
    assert len(found.items) == 4 and late[0].line == 4 and "1 rows with a time in the future" in notes[0]
    with pytest.raises(DataError, match="All 5 rows lie in the future"):
        interactions(rows, [], now=1e9)


def test_milliseconds_and_dates_are_times(tmp_path: Path) -> None:
    notes: list[str] = []
    rows = Rows.of([{"user": "a", "item": str(i), "time": 1.6e12 + 1000 * i} for i in range(5)])
    assert interactions(rows, notes)[0].times[0] == pytest.approx(1.6e9) and "milliseconds" in notes[0]
    dated = [{**row, "timestamp": f"2020-01-{1 + i % 28:02d}"} for i, row in enumerate(log())]
    assert len(prepared(csv(tmp_path / "log.csv", dated)).test) == 4


def test_what_a_user_took_before_is_not_asked_for(tmp_path: Path) -> None:
    rows = [*log(), {"userId": 0, "movieId": 1, "rating": 3, "timestamp": 1_700_000_000}]
    found = prepared(csv(tmp_path / "log.csv", rows))
    assert len(found.test) == 3 and any("taken before" in note for note in found.notes)


def test_broken_rows_are_kept_with_their_reason(tmp_path: Path) -> None:
    rows = log()
    rows[3] |= {"timestamp": "soon"}
    rows[7] |= {"movieId": ""}
    found = prepared(csv(tmp_path / "log.csv", rows))
    assert {row.reason.split('"')[0] for row in found.source.broken} == {"the time ", "there is no item"}


def test_users_with_too_few_rows_cannot_be_held_out(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No user has 3 rows"):
        prepared(csv(tmp_path / "log.csv", log(5, 2)))


def test_tables_are_read_and_told(tmp_path: Path) -> None:
    films = [{"movieId": i, "title": f"Film {i}", "genres": "Drama|War" if i % 2 else "剧情"} for i in range(6)]
    path = csv(tmp_path / "films.csv", films)
    found = prepared(csv(tmp_path / "log.csv", log()), f"data.items={path}")
    table = found.tables["items"]
    assert table.texts[1] == "Film 1. Drama, War" and list(table.columns) == ["genres"]
    assert any("1 items of the log are not in the table" in note for note in found.notes)
    with pytest.raises(DataError, match="no id in"):
        item_table(path, ["x", "y"])
    with pytest.raises(RecipeError, match=r"data\.items is for task=recommendation"):
        text = [{"text": f"row {i} is good", "label": "ab"[i % 2]} for i in range(20)]
        prepared(csv(tmp_path / "text.csv", text), f"data.items={path}")


def test_rows_without_times_stand_in_their_order(tmp_path: Path) -> None:
    rows = [{"user_id": r["userId"], "item_id": r["movieId"]} for r in log()]
    found = prepared(csv(tmp_path / "log.csv", rows))
    assert [row["item"] for row in found.test] == [str((u * 3 + 4) % 7) for u in range(4)]
    assert np.all([len(row["history"]) == 4 for row in found.test])
