"""A bundle measured on other rows: what is asked of it is done, or refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from toy_files import write_csv

from tunesmith.bundle.read import read_bundle
from tunesmith.cli import main
from tunesmith.core.errors import RecipeError
from tunesmith.pipeline.known import known_by
from tunesmith.pipeline.measure import measured
from tunesmith.pipeline.own_file import too_good
from tunesmith.testing import toy_rows


def test_a_gate_is_held(members: dict[str, Path], files: dict[str, Path], capsys: Any) -> None:
    words = ["evaluate", str(members["short"]), str(files["zh"]), "evaluation.resamples=100", "--json"]
    assert main([*words, "evaluation.gate.macro_f1=>= 1.1"]) == 2
    (line,) = json.loads(capsys.readouterr().out)["gate"]["lines"]
    assert not line["passed"] and "wanted >= 1.1" in line["reason"]
    assert main([*words[:-1], "evaluation.gate.macro_f1=>= 0"]) == 0
    assert "gate: passed: macro_f1 is" in " ".join(capsys.readouterr().out.split())
    assert main(words) == 0 and "gate" not in json.loads(capsys.readouterr().out)


def test_rows_that_it_learned_are_told(
    members: dict[str, Path], files: dict[str, Path], tmp_path: Path, capsys: Any
) -> None:
    bundle, own, copied = members["short"], str(files["zh"]), tmp_path / "copied.csv"
    lines = files["zh"].read_text("utf-8").splitlines(keepends=True)
    copied.write_text("".join(lines[:1] + lines[:40:-1]), "utf-8")
    known = known_by(read_bundle(bundle))
    assert known is not None
    trained = int((known.parts == 0).sum())
    assert main(["evaluate", str(bundle), own, "evaluation.resamples=100"]) == 0
    words = " ".join(capsys.readouterr().out.split())
    assert f"{trained} of the 160 rows" in words and "too good" in words
    few = ["evaluation.resamples=100"]
    assert any("of the 120 rows of" in note for note in measured(bundle, str(copied), few)["data_notes"]), "a copy, too"
    unseen = write_csv(tmp_path / "unseen.csv", [row for row in toy_rows("zh", 90, seed=77) if known([row])[0] < 0])
    assert not any("too good" in note for note in measured(bundle, str(unseen), few)["data_notes"])
    assert main(["gate", str(bundle), "--against", str(bundle), "--held", own]) == 0
    assert f"{trained} of the 160 rows" in " ".join(capsys.readouterr().out.split())


def test_a_bundle_that_does_not_say_what_it_learned_goes_by_the_path(
    members: dict[str, Path], files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = tmp_path / "copied.csv"
    copied.write_bytes(files["zh"].read_bytes())
    monkeypatch.setattr("tunesmith.pipeline.own_file.known_by", lambda bundle: None)
    told = [too_good(read_bundle(members["short"]), str(file), []) for file in (files["zh"], copied)]
    assert "too good" in told[0][0] and not told[1]


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
