"""A bundle measured on other rows: what is asked of it is done, or refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tunesmith.cli import main
from tunesmith.core.errors import RecipeError
from tunesmith.pipeline.measure import measured


def test_a_gate_is_held(members: dict[str, Path], files: dict[str, Path], capsys: Any) -> None:
    words = ["evaluate", str(members["short"]), str(files["zh"]), "evaluation.resamples=100", "--json"]
    assert main([*words, "evaluation.gate.macro_f1=>= 1.1"]) == 2
    (line,) = json.loads(capsys.readouterr().out)["gate"]["lines"]
    assert not line["passed"] and "wanted >= 1.1" in line["reason"]
    assert main([*words[:-1], "evaluation.gate.macro_f1=>= 0"]) == 0
    assert "gate: passed: macro_f1 is" in " ".join(capsys.readouterr().out.split())
    assert main(words) == 0 and "gate" not in json.loads(capsys.readouterr().out)


def test_the_file_that_it_learned_is_told(
    members: dict[str, Path], files: dict[str, Path], tmp_path: Path, capsys: Any
) -> None:
    bundle, own, other = str(members["short"]), str(files["zh"]), tmp_path / "other.csv"
    other.write_bytes(files["zh"].read_bytes())
    assert main(["evaluate", bundle, own, "evaluation.resamples=100"]) == 0
    assert "too good" in " ".join(capsys.readouterr().out.split())
    assert not any(
        "too good" in note for note in measured(bundle, str(other), ["evaluation.resamples=100"])["data_notes"]
    )
    assert main(["gate", bundle, "--against", bundle, "--held", own]) == 0
    assert "too good" in " ".join(capsys.readouterr().out.split())


def test_the_interval_is_the_one_that_is_asked_for(members: dict[str, Path], files: dict[str, Path]) -> None:
    def width(confidence: float) -> float:
        given = ["evaluation.resamples=200", f"evaluation.confidence={confidence}"]
        figure = measured(members["short"], str(files["zh"]), given)["metrics"]["accuracy"]
        return float(figure["high"] - figure["low"])

    assert width(0.6) < width(0.99)


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        (["data.test=held.csv", "data.split.test=0.3", "model.max_length=64"], "data.split.test, data.test, model.max"),
        (["training.device=cpu"], "training.device"),
        (["evaluation.checks=[calibration]"], "evaluation.checks"),
        (["data.path=other.csv"], "data.path"),
        (["bundle=out/x"], "bundle"),
        (["evaluation.gate.macro_f1=>= tfidf"], "the bundle alone is measured"),
        (["evaluation.gate.macro_f2=>= 0.5"], "no such figure"),
    ],
)
def test_what_is_not_read_is_refused(
    members: dict[str, Path], files: dict[str, Path], overrides: list[str], named: str
) -> None:
    with pytest.raises(RecipeError, match=named):
        measured(members["short"], str(files["zh"]), overrides)
