"""Augmented rows in a run: trained on, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunesmith.bundle.read import Bundle
from tunesmith.core.errors import RecipeError
from tunesmith.core.recipe import Recipe
from tunesmith.pipeline.plan import plan

AUGMENT = "data.augment=[{name: typos, share: 0.5}, random_swap]"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_only_training_sees_them(
    tuned: Callable[..., Bundle], files: dict[str, Path], language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    from tunesmith.pipeline import run

    original = run.train
    monkeypatch.setattr(run, "train", lambda *given, **named: seen.append(len(given[3])) or original(*given, **named))
    bundle = tuned(files[language], AUGMENT)
    plain = tuned(files[language], name="plain")
    assert seen[0] == pytest.approx(2 * seen[1], abs=2), "half as many by each of two"
    assert bundle.manifest.data["train"] == plain.manifest.data["train"]
    own, others = ({n: b["metrics"] for n, b in made.report["baselines"].items()} for made in (bundle, plain))
    assert own == others
    assert bundle.manifest.task.state == plain.manifest.task.state
    assert any("added by typos" in note for note in bundle.report["data_notes"])
    assert bundle.manifest.recipe["data"]["augment"][0]["share"] == 0.5


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ("typo", 'Did you mean "typos"'),
        ("{name: typos, share: 0}", "greater than 0"),
        ("{name: synonyms, much: 1}", "unknown key"),
        ("back_translation", "translation bundles"),
        ("{name: synonyms, path: nowhere.txt}", "cannot be read"),
    ],
)
def test_mistakes_are_told_before_anything_loads(files: dict[str, Path], block: str, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        plan(Recipe.parse({"data": {"path": str(files["en"])}}, [f"data.augment=[{block}]"]))


def test_texts_in_which_positions_matter_are_left(tmp_path: Path, models: dict[str, Any]) -> None:
    file = tmp_path / "tags.conll"
    file.write_text("".join(f"Ann{i} B-PER\nsleeps O\n\n" for i in range(20)), "utf-8")
    with pytest.raises(RecipeError, match="in which positions matter"):
        plan(Recipe.parse({"data": {"path": str(file)}, "model": models["bert"]}, ["data.augment=[typos]"]))


def test_strategies_that_do_not_fit_are_told_before_anything_loads(files: dict[str, Path]) -> None:
    given = {"data": {"path": str(files["en"])}, "method": "head"}
    with pytest.raises(RecipeError, match='"contrastive" cannot be used here: it tunes the encoder'):
        plan(Recipe.parse(given, ["training.strategies=[contrastive]"]))


def test_a_strategys_own_defaults_stand_over_the_methods_and_under_the_recipes(
    files: dict[str, Path], models: dict[str, str], tmp_path: Path
) -> None:
    given = {"data": {"path": str(files["en"])}, "model": models["bert"], "bundle": str(tmp_path / "o")}
    found = plan(Recipe.parse(given, ["training.strategies=[contrastive]", "training.epochs=3"])).recipe.training
    assert (found.batch_size, found.epochs) == (64, 3)
