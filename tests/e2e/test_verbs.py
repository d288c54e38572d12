"""tune, evaluate, predict, reproduce in processes of their own, each with one JSON object; and what goes wrong."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunesmith.cli import main

Run = Callable[..., Any]


@pytest.fixture
def here(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In the folder, in this process: what is wrong is said before anything is computed."""
    monkeypatch.chdir(home)
    monkeypatch.setenv("TUNESMITH_CACHE", str(home / "cache"))
    return home


def test_tune_tells_what_it_did(told: Any, home: Path) -> None:
    assert {"bundle", "task", "seconds", "metrics", "before", "baselines", "checks", "parity"} <= set(told)
    assert told["task"] == "text-classification" and (home / "out/whole/tunesmith.json").is_file()
    assert {"majority", "tfidf"} <= set(told["baselines"])
    for figures in (told["metrics"], told["before"], *told["baselines"].values()):
        assert all({"value", "low", "high"} == set(figure) for figure in figures.values()), figures
        assert "macro_f1" in figures
    assert told["parity"][0]["passed"] and told["parity"][0]["handoff"] == "save and reload"
    assert told["training"]["resumed_at"] == 0 and told["seconds"] > 0


def test_evaluate_and_predict_agree(told: Any, tunesmith: Run, home: Path) -> None:
    ended = tunesmith("evaluate", "out/whole", "held.csv", "--json", "--report", "held.html")
    assert ended.code == 0, ended.err
    found = ended.json
    assert found["rows"] == 10 and found["metrics"]["accuracy"]["value"] is not None
    assert "<html" in (home / "held.html").read_text("utf-8")
    with (home / "held.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    ended = tunesmith("predict", "out/whole", "--file", "held.csv", "--json")
    assert ended.code == 0, ended.err
    predictions = ended.json["predictions"]
    assert all({"label", "score"} <= set(p) for p in predictions)
    right = [p["label"] == row["sentiment"] for p, row in zip(predictions, rows, strict=True)]
    assert found["metrics"]["accuracy"]["value"] == pytest.approx(sum(right) / 10)


def test_reproduce_agrees(told: Any, tunesmith: Run) -> None:
    ended = tunesmith("reproduce", "out/whole", "--json")
    assert ended.code == 0, ended.err
    found = ended.json
    assert found["agrees"] and found["identical_weights"]
    assert found["metrics"]["macro_f1"]["now"] == pytest.approx(told["metrics"]["macro_f1"]["value"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("tune", "recipe.yaml", "bundle=out/whole"), "is a bundle already"),
        (("tune", "recipe.yaml", "bundle=recipe.yaml/out"), "cannot be written"),
        (("tune", "reviews.csv", "method=lroa", "training.epochs=-1", "training.bach_size=3"), "3 mistakes"),
        (("evaluate", "out/whole", "recipe.csv"), "recipe.csv"),
        (("predict", "out/whole", "reviews.csv"), "was given as a text"),
    ],
)
def test_what_is_wrong_is_two_lines(
    told: Any, here: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str
) -> None:
    assert main(list(arguments)) == 2
    out, err = capsys.readouterr()
    lines = err.strip().splitlines()
    assert not out and [line.split(":")[0] for line in lines] == ["error", "hint"] and words in lines[0], err


def test_a_dry_run_prints_the_recipe_and_leaves_nothing(
    told: Any, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(path.name for path in Path("out").iterdir())
    assert main(["tune", "recipe.yaml", "bundle=out/dry", "--dry-run", "--json"]) == 0
    recipe = json.loads(capsys.readouterr().out)["recipe"]
    assert recipe["task"]["name"] == "text-classification" and recipe["training"]["batch_size"]
    assert recipe["training"]["patience"] is None
    assert sorted(path.name for path in Path("out").iterdir()) == before
