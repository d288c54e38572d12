"""A recipe's training block, every value decided; and the run's own folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tunesmith.core.errors import TrainingError
from tunesmith.core.recipe import Recipe, TrainingBlock
from tunesmith.core.registry import family
from tunesmith.training.loop import LoopSettings
from tunesmith.training.run_folder import opened, run_folder
from tunesmith.training.settings import decided


@pytest.mark.parametrize("name", sorted(family("methods")))
def test_the_methods_defaults_fill_what_is_silent(name: str) -> None:
    method = family("methods").make(name)
    block = decided(TrainingBlock(epochs=7, seed=99), method)
    tuned = method.defaults
    assert (block.epochs, block.seed) == (7, 99)
    assert (block.learning_rate, block.batch_size, block.warmup) == (
        tuned.learning_rate,
        tuned.batch_size,
        tuned.warmup,
    )
    settings = LoopSettings.of(block, "macro_f1", True)
    assert settings.optimizer.learning_rate == tuned.learning_rate and settings.epochs == 7


def test_the_heads_rate_follows_a_given_one() -> None:
    method = family("methods").make("full")
    ratio = method.defaults.head_learning_rate / method.defaults.learning_rate
    assert decided(TrainingBlock(learning_rate=2e-5), method).head_learning_rate == pytest.approx(2e-5 * ratio)
    block = decided(TrainingBlock(learning_rate=2e-5, head_learning_rate=1.0), method)
    assert block.head_learning_rate == 1.0


def test_what_is_set_to_null_stays_null() -> None:
    block = decided(TrainingBlock(patience=None), family("methods").make("full"))
    assert block.patience is None
    assert decided(block, family("methods").make("full")) == block


def test_null_patience_outlives_the_recipes_file() -> None:
    recipe = Recipe.parse({}, ["training.patience=null"])
    assert recipe.training.patience is None
    assert Recipe.parse(yaml.safe_load(recipe.to_yaml())).training.patience is None


def test_another_recipe_has_another_folder(tmp_path: Path) -> None:
    one, other = (run_folder(tmp_path / "out", {"recipe": {"epochs": n}}) for n in (1, 2))
    assert one != other and one == run_folder(tmp_path / "out", {"recipe": {"epochs": 1}})
    assert one.parent == tmp_path and one.name.startswith(".out.run-")


def test_a_run_that_ends_well_leaves_nothing(tmp_path: Path) -> None:
    with opened(tmp_path / "r", fresh=False) as folder:
        (folder / "log.jsonl").touch()
    assert not (tmp_path / "r").exists()


def test_a_run_that_dies_leaves_its_folder(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), opened(tmp_path / "r", fresh=False) as folder:
        (folder / "checkpoint").mkdir()
        raise ZeroDivisionError
    with opened(tmp_path / "r", fresh=False) as folder:
        assert (folder / "checkpoint").is_dir()
        (folder / "checkpoint").rmdir()


def test_fresh_forgets(tmp_path: Path) -> None:
    (tmp_path / "r" / "checkpoint").mkdir(parents=True)
    (tmp_path / "r" / "log.jsonl").touch()
    with opened(tmp_path / "r", fresh=True) as folder:
        assert not [p for p in folder.iterdir() if p.name != "lock"]


def test_two_runs_at_once_are_refused(tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from tunesmith.training.run_folder import opened
with opened(Path({str(tmp_path / "r")!r}), fresh=True):
    print("in", flush=True); input()
"""
    with subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "in\n"
        with (
            pytest.raises(TrainingError, match="Another process is at this very run"),
            opened(tmp_path / "r", fresh=True),
        ):
            pass
        other.kill()
    with opened(tmp_path / "r", fresh=False):
        pass


def test_an_unwritable_place_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TrainingError, match="cannot be written"), opened(tmp_path / "file" / "r", fresh=False):
        pass


def test_few_rows_are_gone_through_more_often_where_little_is_learned_otherwise() -> None:
    full, tags = family("methods").make("full"), family("tasks").make("token-classification")
    least = tags.training["least_steps"]

    def epochs(rows: int | None, **said: Any) -> float:
        return decided(TrainingBlock(**said), full, tags, rows=rows).epochs or 0

    assert epochs(None) == epochs(100_000) == full.defaults.epochs
    assert epochs(1600) == least / 100 and epochs(1600, batch_size=32) == least / 50
    assert epochs(1600, accumulate=2) == least / 50, "steps, not batches"
    assert epochs(10) == 20, "not without end"
    assert epochs(1600, epochs=2) == 2, "who says it decides"
    texts = family("tasks").make("text-classification")
    assert decided(TrainingBlock(), full, texts, rows=10).epochs == full.defaults.epochs


def test_long_texts_are_taught_in_parts_of_a_step() -> None:
    full = family("methods").make("full")

    def step(task: str, **said: Any) -> tuple[int | None, int | None]:
        block = decided(TrainingBlock(**said), full, family("tasks").make(task))
        return block.batch_size, block.accumulate

    assert step("summarization") == (8, 4) and step("translation") == (32, 1)
    assert step("summarization", batch_size=32) == (32, 1), "who says the batch says the step"
    assert step("summarization", accumulate=2) == (8, 2)
    assert step("summarization", batch_size=4, accumulate=3) == (4, 3)
    own = family("strategies").make("contrastive")
    block = decided(TrainingBlock(), full, family("tasks").make("summarization"), [own])
    assert (block.batch_size, block.accumulate) == (own.training["batch_size"], 1)


def test_a_mixture_is_trained_as_its_slowest_part() -> None:
    def rate(method: str, *parts: str, **said: Any) -> float | None:
        mixed = family("tasks").make("mixture", {"parts": {f"p{i}": name for i, name in enumerate(parts)}})
        return decided(TrainingBlock(**said), family("methods").make(method), mixed).learning_rate

    texts, tags, questions = "text-classification", "token-classification", "extractive-qa"
    assert rate("lora", texts, tags) == rate("lora", tags, tags) == 5e-4 < (rate("lora", texts, texts) or 0)
    assert rate("full", texts, questions) == rate("full", texts, texts), "a rate above the method's own is not taken"
    assert rate("lora", texts, tags, learning_rate=1e-3) == 1e-3, "who says it decides"
    mixed = family("tasks").make("mixture", {"parts": {"mood": texts, "things": tags}})
    assert mixed.training["least_steps"] == family("tasks").make(tags).training["least_steps"]


@pytest.mark.parametrize("method", ["lora", "adapter"])
def test_tags_are_learned_slowly(method: str) -> None:
    made = family("methods").make(method)
    rates = {
        decided(TrainingBlock(), made, family("tasks").make(task)).learning_rate
        for task in ("token-classification", "semantic-roles")
    }
    assert rates == {5e-4} and decided(TrainingBlock(), made).learning_rate == made.defaults.learning_rate > 5e-4
