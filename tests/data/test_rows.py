"""Rows: access, selection, fingerprints, spilling."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from tunesmith.data.rows import Rows
from tunesmith.data.spill import Spill

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
