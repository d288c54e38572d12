"""A candidate that is as good is taken; one that forgot, or got worse, is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tunesmith.bundle.read import Bundle, read_bundle
from tunesmith.cli import main
from tunesmith.cli.proposal import held_inputs
from tunesmith.core.errors import RecipeError
from tunesmith.feedback.apart import apart
from tunesmith.pipeline.candidate import candidate
from tunesmith.tasks.relation_extraction import RelationExtraction
from tunesmith.tasks.text_classification import TextClassification


def test_a_worse_candidate_is_refused(members: dict[str, Path], files: dict[str, Path], capsys: Any) -> None:
    held = str(files["zh"])
    rows, names = held_inputs(str(members["one"]), held)  # which the gate asks are not learned from
    assert len(rows) == 160 and names[0] == "text" and not apart([{"text": rows[3]["text"]}], rows, names)
    same = candidate(members["one"], members["one"], held, held)
    trained = read_bundle(members["one"]).manifest.data["train"]["rows"]
    assert same["accepted"] and same["reasons"] == [] and same["held"]["rows"] == 160 - trained
    assert f"{trained} of the 160 rows of {held} were trained on by one of both, and are left out." in same["words"]
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


class Answers:
    """A bundle that says what it is told to: the labels of the rows, but for some."""

    def __init__(self, labels: Sequence[str], said: Sequence[str]) -> None:
        self.task: Any = TextClassification()
        self.task.restore({"labels": list(labels), "counts": [1] * len(labels)})
        self.manifest = SimpleNamespace(task=SimpleNamespace(name="text-classification"), recipe={}, data={})
        self.said, self.path = said, Path(*labels)

    def predictor(self) -> Answers:
        return self

    def predict(self, rows: Sequence[Any]) -> list[dict[str, Any]]:
        labels = self.task.labels
        return [{"label": one, "score": 1.0, "scores": {k: float(k == one) for k in labels}} for one in self.said]


def compared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, true: Sequence[str], old: Any, new: Any) -> Any:
    file = tmp_path / "rows.csv"
    file.write_text("text,label\n" + "".join(f"text {i} about it,{label}\n" for i, label in enumerate(true)), "utf-8")
    monkeypatch.setattr("tunesmith.pipeline.candidate.read_bundle", {"old": old, "new": new}.get)
    return candidate("old", "new", str(file), str(file))


def test_a_candidate_tuned_anew_has_its_classes_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """ "neutral" stands between the two old classes: the first two of the new three are not the old two."""
    true = ["negative", "positive"] * 10
    old, new = Answers(["negative", "positive"], true), Answers(["negative", "neutral", "positive"], ["negative"] * 20)
    told = compared(monkeypatch, tmp_path, true, old, new)["protected"]["compared"]["macro_f1"]
    assert told["second_value"] == 1.0 and told["first_value"] == pytest.approx((2 / 3 + 0) / 2), (
        "positive is never found"
    )


def test_a_class_that_the_candidate_lacks_is_missed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    true = ["bad", "good"] * 10
    old = Answers(["bad", "good", "odd"], [*true[:-1], "odd"])
    told = compared(monkeypatch, tmp_path, true, old, Answers(["bad", "good"], true))
    assert told["accepted"], told["words"]
    held = told["held"]["compared"]["macro_f1"]
    assert held["second_value"] == pytest.approx((1 + 18 / 19) / 2), "one miss, and no class of F1 0"
    # And where rows have the class, the candidate has forgotten it.
    true = ["bad", "good", "odd", "odd"] * 5
    old, new = Answers(["bad", "good", "odd"], true), Answers(["bad", "good"], ["bad", "good", "bad", "good"] * 5)
    told = compared(monkeypatch, tmp_path, true, old, new)
    assert not told["accepted"] and told["protected"]["compared"]["macro_f1"]["first_value"] < 0.5


def test_a_reason_names_the_metric_of_its_rows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Relations that came later leave accuracy alone to compare protected rows by."""

    def of(labels: Sequence[str], said: Sequence[str]) -> Any:
        bundle: Any = Answers(labels, said)
        bundle.task = RelationExtraction()
        bundle.task.restore({"labels": list(labels), "counts": [1] * len(labels), "none": None, "kinds": False})
        bundle.manifest.task.name = "relation-extraction"
        bundle.predict = lambda rows: [
            {"relation": one, "score": 1.0, "scores": {one: 1.0}} for one in said[: len(rows)]
        ]
        return bundle

    true = ["by", "of"] * 10
    rows = [f"the <e1>cat{i}</e1> and the <e2>dog{i}</e2>,{label}\n" for i, label in enumerate(true)]
    file = tmp_path / "relations.csv"
    file.write_text("text,label\n" + "".join(rows), "utf-8")
    old, new = of(["by", "of"], true), of(["by", "in", "of"], ["by", "in"] * 10)
    monkeypatch.setattr("tunesmith.pipeline.candidate.read_bundle", {"old": old, "new": new}.get)
    told = candidate("old", "new", str(file), str(file))
    assert "on held-out rows relation_macro_f1" in told["reasons"][0]
    assert "on protected rows accuracy falls by 0.500" in told["reasons"][1]
