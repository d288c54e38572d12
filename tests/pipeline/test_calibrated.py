"""``evaluation.calibrate``: from a recipe into the bundle, for every method; what cannot be had is said early."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from toy_files import write_csv

from tunesmith.bundle.drift.baseline import read_baseline
from tunesmith.bundle.read import Bundle, read_bundle
from tunesmith.core.errors import RecipeError
from tunesmith.core.recipe import CalibrateBlock, Recipe
from tunesmith.pipeline.calibrated import calibrated
from tunesmith.pipeline.plan import plan
from tunesmith.tasks.text_classification import TextClassification
from tunesmith.testing.toy import toy_rows


@pytest.mark.parametrize(("language", "method"), [("en", "full"), ("zh", "head")])
def test_a_bundle_keeps_what_it_learned(
    tuned: Callable[..., Bundle], files: dict[str, Path], language: str, method: str
) -> None:
    asked = (
        "evaluation.calibrate={error: 0.2, coverage: 0.8}",
        "data.split={validation: 0.3, test: 0.4}",
        f"method={method}",
    )
    made = tuned(files[language], *asked, "evaluation.baselines=false", learns=True)
    again = read_bundle(made.path)
    answer = again.predict(["some text 一些文字"])[0]
    assert {"candidates", "abstain", "human", "strange"} <= answer.keys()
    assert again.manifest.task.state["calibrated"]["temperature"] > 0
    assert any("temperature" in note for note in again.report["data_notes"])
    baseline = read_baseline(made.path)
    assert baseline is not None and {"length", "confidence", "language", "class"} <= set(baseline.names)
    assert sum(baseline.words["class"].values()) == baseline.rows == 64
    assert again.recipe.evaluation.calibrate is not None and again.recipe.evaluation.calibrate.error == 0.2


def test_usual_rows_are_drawn_of_a_file_that_is_sorted(
    tuned: Callable[..., Bundle], files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first of such a file are of one kind: all that comes later would differ from them for ever."""
    monkeypatch.setattr("tunesmith.pipeline.run.BASELINE_ROWS", 60)
    label = {"消极": "negative", "积极": "positive"}
    chinese = [{**row, "label": label[row["label"]]} for row in toy_rows("zh", 70, seed=3)]
    held = write_csv(tmp_path / "held.csv", [*toy_rows("en", 70, seed=3), *chinese])
    made = tuned(files["en"], f"data.test={held}", "evaluation.baselines=false")
    baseline = read_baseline(made.path)
    assert baseline is not None and baseline.rows == 60 == sum(baseline.words["language"].values())
    assert min(baseline.words["language"].get(name, 0) for name in ("en", "zh")) >= 20


def test_words_are_counted_on_rows_that_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tunesmith.pipeline.calibrated.MOST", 10)
    seen: list[Any] = []

    class Seeing(TextClassification):
        def encode(self, rows: Any, *given: Any, **more: Any) -> Any:
            seen.extend(rows)
            return []

        def calibrate(self, *given: Any) -> Any:
            return None

    monkeypatch.setattr("tunesmith.pipeline.calibrated.words", lambda *given: "")
    recipe = SimpleNamespace(evaluation=SimpleNamespace(calibrate=CalibrateBlock()))
    train = [{"text": "a"}] * 30 + [{"text": "b"}] * 30
    data = SimpleNamespace(train=train, validation=[], notes=[])
    plan: Any = SimpleNamespace(recipe=recipe, task=Seeing(), data=data, max_length=8)
    predictor: Any = SimpleNamespace(infer=lambda features: [], processor=None)
    calibrated(plan, predictor, lambda rows: [])
    assert len(seen) == 10 and {row["text"] for row in seen} == {"a", "b"}


def test_it_is_refused_before_anything_heavy(files: dict[str, Path], models: dict[str, str], tmp_path: Path) -> None:
    base = [f"model={models['bert']}", f"bundle={tmp_path / 'x'}", "evaluation.calibrate=true"]
    with pytest.raises(RecipeError, match="needs validation rows"):
        plan(Recipe.parse({"data": str(files["en"])}, [*base, "data.split.validation=0"]))
    numbers = tmp_path / "numbers.csv"
    numbers.write_text("text,score\n" + "".join(f"text {i} about it,{i / 7}\n" for i in range(60)), "utf-8")
    with pytest.raises(RecipeError, match="cannot be calibrated"):
        plan(Recipe.parse({"data": str(numbers), "task": "text-regression"}, base))
    with pytest.raises(RecipeError, match="evaluation.calibrate.error"):
        Recipe.parse({}, ["evaluation.calibrate.error=2"])
    assert Recipe.parse({}, ["evaluation.calibrate=false"]).evaluation.calibrate is None
