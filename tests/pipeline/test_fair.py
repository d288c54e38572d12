"""A group's column from the file to the report: refused where it is missing, kept from the model, compared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from toy_files import write_csv

from tunesmith.bundle.read import Bundle
from tunesmith.core.errors import RecipeError
from tunesmith.testing import toy_rows


@pytest.mark.parametrize("method", ["full", "head"])
def test_the_gap_stands_beside_the_score(tuned: Callable[..., Bundle], tmp_path: Path, method: str) -> None:
    rows: list[dict[str, Any]] = [{**row, "sex": "女" if i % 2 else "男"} for i, row in enumerate(toy_rows("zh", 160))]
    file = write_csv(tmp_path / "rows.csv", rows)
    strategies = "training.strategies=[{name: fair, criterion: demographic_parity}]"
    with pytest.raises(RecipeError, match="reads the group of each row, and no column is named"):
        tuned(file, strategies)
    bundle = tuned(file, strategies, "data.group=sex", f"method={method}", 'evaluation.gate={parity_gap: "<= 1"}')
    report = bundle.report
    assert {"parity_gap", "odds_gap"} <= set(report["metrics"]) and [g["group"] for g in report["groups"]] == [
        "女",
        "男",
    ]
    assert report["context"]["strategies"]["fair"]["groups"] == ["女", "男"]
    assert "what it brought and cost" in report["context"]["strategies"]["fair"]["words"]
    assert "label" in bundle.predict(["房间很干净"])[0]
