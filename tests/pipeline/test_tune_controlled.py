"""From labelled texts to a bundle that writes such texts; a classifier, tuned by us as well, says that they obey."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from tunesmith.bundle.read import read_bundle
from tunesmith.core.errors import BundleError, RecipeError
from tunesmith.pipeline import tune
from tunesmith.pipeline.measure import measured
from tunesmith.pipeline.plan import as_recipe, plan
from tunesmith.testing import tiny_bert, tiny_llama

GOOD = ("it is lovely", "the lovely room", "很好很干净", "真好的房间")
BAD = ("it is awful", "the awful room", "很差很脏", "真差的房间")

SAME = ("data.clean.duplicates=false", "data.split.near_duplicates=false")
"""A few texts, over and over."""


def write(path: Path, count: int) -> str:
    rows = [((GOOD, BAD)[i % 2][i // 2 % 4], ("good", "bad")[i % 2]) for i in range(count)]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("review", "label"), *rows])
    return str(path)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, str, Path]:
    """A file to learn to write from, the judge (of other rows), the model that both start from, and a bundle."""
    place = tmp_path_factory.mktemp("controlled")
    own, apart = write(place / "own.csv", 64), write(place / "apart.csv", 96)
    texts = [*GOOD, *BAD, "<|user|>\nWrite a text: good bad.</s>"]
    bert, llama = tiny_bert(place / "bert", texts=texts), tiny_llama(place / "llama", texts=texts, max_length=96)
    again = [*SAME, "training.learning_rate=0.01"]
    judge = tune(
        apart, f"model={bert}", f"bundle={place / 'judge'}", "evaluation.baselines=false", "training.epochs=8", *again
    )
    bundle = tune(
        own, f"model={llama}", f"bundle={place / 'b'}", "data.control=label", f"task.judge={judge.path}",
        "task.temperature=0.4", "method=full", "training.epochs=32", "training.batch_size=8",
        "training.evaluations=0.1", "training.learning_rate=0.005", "training.precision=fp32", *SAME,
        evaluation={"checks": [{"name": "judge", "by": str(judge.path), "label": "good", "rows": 6}]},
    )  # fmt: skip
    return own, str(judge.path), str(llama), bundle.path


def test_it_learns_to_obey(made: tuple[str, str, str, Path]) -> None:
    _, _, _, path = made
    report = read_bundle(path).report
    assert report["task"] == "controlled-generation" and report["primary"] == "obedience"
    assert report["metrics"]["obedience"]["value"] >= 0.85 > report["before"]["metrics"]["obedience"]["value"]
    assert report["metrics"]["perplexity"]["value"] < report["before"]["metrics"]["perplexity"]["value"]
    assert any("test rows' own texts" in note for note in report["data_notes"])
    (check,) = report["checks"]
    assert check["name"] == "judge" and check["details"]["judge"] == "the bundle judge" and "before" in check["details"]
    found = read_bundle(path).predict([{"control": "good"}, {"control": "bad", "beginning": "the "}])
    assert all(prediction["text"] for prediction in found) and found[1]["text"].startswith("the")


def test_the_judge_is_named_anew_for_each_run(made: tuple[str, str, str, Path]) -> None:
    own, judge, _, path = made
    assert "obedience" not in measured(path, own)["metrics"]
    assert measured(path, own, [f"task.judge={judge}"])["metrics"]["obedience"]["value"] >= 0.85


@pytest.mark.parametrize(
    ("options", "error", "problem"),
    [
        (["task.judge=nowhere"], BundleError, "no such folder"),
        (["task.judge={bundle}"], RecipeError, "is said by a classifier"),
        (["task.judge={judge}", "data.control=review", "data.text=label"], RecipeError, "does not know the control"),
    ],
)
def test_a_judge_of_no_use_is_told_while_planning(
    made: tuple[str, str, str, Path], options: list[str], error: Any, problem: str
) -> None:
    own, judge, llama, path = made
    given: list[str] = [option.format(judge=judge, bundle=path) for option in options]
    with pytest.raises(error, match=problem):
        plan(as_recipe(own, [f"model={llama}", "task=controlled-generation", *SAME, *given]))
