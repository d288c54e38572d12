"""``evaluation.calibrate``: from a recipe into the bundle, for every method; what cannot be had is said early."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tunesmith.bundle.drift.baseline import read_baseline
from tunesmith.bundle.read import Bundle, read_bundle
from tunesmith.core.errors import RecipeError
from tunesmith.core.recipe import Recipe
from tunesmith.pipeline.plan import plan


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
