"""Rows: access, selection, fingerprints, spilling."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tunesmith.data.rows import Rows
from tunesmith.data.spill import STALE, Spill, remove_stale

TABLE = pa.table({"text": pa.array(["a", "好", None, "", "e"], pa.large_string()), "n": [1, 2, None, 4, 5]})


def test_sequence() -> None:
    rows = Rows(TABLE)
    assert len(rows) == 5
    assert rows[1] == {"text": "好", "n": 2}
    assert rows[-1] == rows[4]
    assert [r["n"] for r in rows] == [1, 2, None, 4, 5]
    assert rows[1:3].column("n").to_pylist() == [2, None]
    with pytest.raises(IndexError):
        rows[5]


@pytest.mark.parametrize("indices", [[0, 3], [4, 0, 0], []])
def test_select_keeps_the_order_asked_for(indices: list[int]) -> None:
    rows = Rows(pa.concat_tables([TABLE, TABLE]))
    assert [r["n"] for r in rows.select(np.array(indices, np.int64))] == [TABLE["n"].to_pylist()[i] for i in indices]


def test_fingerprint_is_of_content() -> None:
    whole = Rows(TABLE).fingerprint()
    parts = pa.concat_tables([TABLE.slice(0, 2), TABLE.slice(2, 0), TABLE.slice(2)])
    assert Rows(parts).fingerprint() == whole
    assert whole.startswith("sha256:")
    others = [
        TABLE.slice(1),
        TABLE.rename_columns(["text", "m"]),
        TABLE.set_column(0, "text", pa.array(["a好", "", None, "", "e"], pa.large_string())),
        TABLE.set_column(0, "text", pa.array(["a", "好", "", None, "e"], pa.large_string())),
    ]
    assert len({whole, *(Rows(t).fingerprint() for t in others)}) == 5


def test_fingerprint_of_lists() -> None:
    assert Rows.of([{"x": ["a", "b"]}]).fingerprint() != Rows.of([{"x": ["a"]}]).fingerprint()


def test_spill_gives_back_what_it_took() -> None:
    small, large = Spill(), Spill(limit=100)
    for i in range(50):
        batch = pa.RecordBatch.from_pydict({"text": [f"text {i}"] * 10, "n": [i] * 10})
        small.add(batch)
        large.add(batch)
    large.add(pa.RecordBatch.from_pydict({"text": ["last"], "n": ["a word"]}))
    assert small.table().num_rows == 500
    table = large.table()
    assert table.num_rows == 501
    assert table["n"].to_pylist()[-2:] == ["49", "a word"]
    assert table["text"].to_pylist()[:500] == small.table()["text"].to_pylist()


def test_large_rows_are_mapped_not_held() -> None:
    spill = Spill(limit=2**20)
    for _ in range(40):
        spill.add(pa.RecordBatch.from_pydict({"text": ["x" * 1000] * 1000}))
    before = pa.total_allocated_bytes()
    table = spill.table()
    assert table.nbytes > 40e6
    assert pa.total_allocated_bytes() - before < 5e6


def test_old_files_of_the_dead_are_removed(tmp_path: Path) -> None:
    names = ["tunesmith-old.arrow", "tunesmith-new.arrow", "other-old.arrow"]
    for name in names:
        (tmp_path / name).write_bytes(b"x")
        age = 3 * STALE if "old" in name else 60
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    remove_stale(str(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names[1:])


def test_a_file_that_cannot_go_while_it_is_mapped_goes_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows."""
    left: list[tuple[Any, str]] = []

    def refuse(path: str) -> None:
        raise PermissionError(path)

    monkeypatch.setattr("tunesmith.data.spill.atexit.register", lambda what, path: left.append((what, path)))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    spill = Spill(limit=100)
    for i in range(3):
        spill.add(pa.RecordBatch.from_pydict({"text": ["x" * 100 + str(i)]}))
    with monkeypatch.context() as windows:
        windows.setattr("os.unlink", refuse)
        assert spill.table().num_rows == 3
    ((remove, path),) = left
    assert os.path.dirname(path) == str(tmp_path) and os.path.exists(path)
    remove(path)
    assert not os.path.exists(path)
