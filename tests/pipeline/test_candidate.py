"""A candidate that is as good is taken; one that forgot, or got worse, is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunesmith.bundle.read import Bundle
from tunesmith.cli import main
from tunesmith.core.errors import RecipeError
from tunesmith.pipeline.candidate import candidate


def test_a_worse_candidate_is_refused(members: dict[str, Path], files: dict[str, Path], capsys: Any) -> None:
    held = str(files["zh"])
    same = candidate(members["one"], members["one"], held, held)
    assert same["accepted"] and same["reasons"] == [] and same["held"]["rows"] == 160
    bad = candidate(members["one"], members["short"], held, held)
    assert not bad["accepted"] and len(bad["reasons"]) == 2 and bad["words"].startswith("Refused")
    words = ["gate", str(members["short"]), "--against", str(members["one"]), "--held", held, "--json"]
    assert main(words) == 2
    assert json.loads(capsys.readouterr().out)["accepted"] is False
    assert main([*words[:1], str(members["one"]), "--against", str(members["short"]), "--held", held]) == 0
    assert "Accepted" in capsys.readouterr().out


def test_bundles_must_be_of_one_task(
    members: dict[str, Path], files: dict[str, Path], tuned: Callable[..., Bundle], tmp_path: Path, capsys: Any
) -> None:
    numbers = tmp_path / "numbers.csv"
    numbers.write_text("text,score\n" + "".join(f"text {i} about it,{i / 7}\n" for i in range(60)), "utf-8")
    other = tuned(numbers, "task=text-regression", "training.max_steps=1", "evaluation.baselines=false")
    with pytest.raises(RecipeError, match="of one task"):
        candidate(members["one"], other.path, str(files["zh"]))
    assert main(["gate", "x"]) == 2 and "--held" in capsys.readouterr().err


def test_a_metric_that_is_not_defined_proves_nothing(
    members: dict[str, Path], files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A candidate that gives every row the same number has no rank correlation: nan is not below any bound."""
    nan = float("nan")
    difference = {"value": nan, "low": nan, "high": nan}
    compared = {"verdict": "not defined", "difference": difference, "first_value": nan, "second_value": 0.8}
    found = {"rows": 9, "compared": {"accuracy": compared}, "metric": "accuracy"}
    monkeypatch.setattr("tunesmith.pipeline.candidate._compared", lambda *a, **k: found)
    told = candidate(members["one"], members["one"], str(files["zh"]), str(files["zh"]))
    assert not told["accepted"] and len(told["reasons"]) == 2 and "not defined" in told["words"]
