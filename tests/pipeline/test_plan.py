"""What a run is, decided before anything heavy: no gaps, and every mistake said early."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tunesmith.core.errors import BundleError, DataError, ModelError, RecipeError
from tunesmith.core.recipe import Recipe
from tunesmith.pipeline.learn import sibling
from tunesmith.pipeline.plan import as_recipe, place_for, plan
from tunesmith.pipeline.save import PROVEN_ROWS, proof_rows


def planned(files: dict[str, Path], models: dict[str, str], tmp_path: Path, *overrides: str, **options: Any) -> Any:
    given = [f"model={models['bert']}", f"bundle={tmp_path / 'out'}", *overrides]
    return plan(as_recipe(str(files["zh"]), given), **options)


def test_it_leaves_no_gaps(files: dict[str, Path], models: dict[str, str], tmp_path: Path) -> None:
    made = planned(files, models, tmp_path)
    recipe = made.recipe
    assert (recipe.task.name, recipe.method.name) == ("text-classification", "full")
    assert recipe.data.columns == {"text": "text", "label": "label"} and made.data.language == "zh"
    training = recipe.training
    tuned = made.method.defaults
    assert training.learning_rate == tuned.learning_rate and training.epochs == tuned.epochs
    assert recipe.model.max_length == made.max_length == 256
    assert made.task.labels == ["消极", "积极"]
    assert not (tmp_path / "out").exists()
    again = plan(Recipe.model_validate(recipe.model_dump()))
    assert again.recipe == recipe and again.identity == made.identity, "a plan of its own recipe is the same plan"


def test_the_window_is_no_longer_than_the_model(files: dict[str, Path], models: dict[str, str], tmp_path: Path) -> None:
    assert planned(files, models, tmp_path, "model.max_length=4000").max_length == 512
    assert planned(files, models, tmp_path, "model.max_length=64").max_length == 64


def test_several_processes_are_refused_at_once(
    files: dict[str, Path], models: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(RecipeError, match="one process on one device"):
        planned(files, models, tmp_path)


@pytest.mark.parametrize(
    ("override", "other"),
    [
        ("training.epochs=9", True),
        ("training.seed=9", True),
        ("method=lora", True),
        ("data.split.seed=9", True),
        ("model.max_length=99", True),
        ("training.threads=1", False),
        ("training.trackers=[]", False),
        ("evaluation.checks=[calibration]", False),
    ],
)
def test_what_makes_a_run_another_one(
    files: dict[str, Path], models: dict[str, str], tmp_path: Path, override: str, other: bool
) -> None:
    one, two = planned(files, models, tmp_path), planned(files, models, tmp_path, override)
    assert (one.identity != two.identity) is other


@pytest.mark.parametrize("check", ["calibration", "{name: judge, by: 'http://localhost:9/v1'}"])
def test_a_check_that_says_nothing_of_the_task_is_refused(check: str, models: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    file.write_text("text,label\n" + "".join(f"text {i} about it,{i / 7}\n" for i in range(40)), "utf-8")
    given = [f"model={models['bert']}", f"bundle={tmp_path / 'out'}", "task=text-regression"]
    with pytest.raises(RecipeError, match="cannot be used here: (text-regression tells no|it reads texts)"):
        plan(as_recipe(str(file), [*given, f"evaluation.checks=[{check}]"]))


def test_whatever_names_a_recipe(files: dict[str, Path], tmp_path: Path) -> None:
    path = str(files["en"])
    (tmp_path / "r.yaml").write_text(f"data: {path}\nmethod: head\n")
    wanted = as_recipe(str(tmp_path / "r.yaml"), ["training.epochs=2"])
    assert wanted.data.path == path and wanted.method.name == "head" and wanted.training.epochs == 2
    values = {"data": path, "method": "head", "training": {"epochs": 2}}
    assert as_recipe(values) == wanted == as_recipe(path, (), {"method": "head", "training": {"epochs": 2}})
    assert as_recipe(as_recipe({"data": path}), ["method=head", "training.epochs=2"]) == wanted
    assert as_recipe(path, (), {"data": {"text": "text"}}).data.columns == {"text": "text"}


def test_all_mistakes_at_once(files: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(
        f"data: {files['en']}\nmethod: lroa\ntraining: {{epochs: -1, strategies: [{{name: fgm, epsilonn: 1}}]}}\n"
    )
    with pytest.raises(RecipeError) as caught:
        as_recipe(str(tmp_path / "r.yaml"))
    assert len(caught.value.mistakes) == 3
    assert "lora" in str(caught.value) and "training.epochs" in str(caught.value) and "epsilon" in str(caught.value)


@pytest.mark.parametrize(
    ("override", "error", "words"),
    [
        ("training.strategies=[fgm, fgm]", RecipeError, "twice"),
        ("model=/no/such/folder", ModelError, "no such folder"),
        ("data.label=lable", DataError, 'label"'),
        ("training.device=cuda:9", RecipeError, "cuda"),
        ("evaluation.gate.acuracy=>= 0.5", RecipeError, "acuracy"),
        ("task.class_wights=none", RecipeError, "class_weights"),
        ("method.rank=8", RecipeError, "method.rank: unknown key"),
        ("data.path=/no/such/file.csv", DataError, "no/such"),
    ],
)
def test_what_does_not_fit_is_said_before_training(
    files: dict[str, Path], models: dict[str, str], tmp_path: Path, override: str, error: type[Exception], words: str
) -> None:
    if override.startswith("training.device"):
        import torch

        if torch.cuda.is_available():
            pytest.skip("this machine has a GPU")
    with pytest.raises(error, match=words):
        planned(files, models, tmp_path, override)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (("evaluation.baselines=false", "evaluation.gate.macro_f1=>= baseline + 0.02"), "measures nothing to compare"),
        (("evaluation.baselines=false", "evaluation.gate.macro_f1=>= 0.1 + before"), "measures nothing to compare"),
        (("task.class_weights=none", "evaluation.gate.macro_f1=> tfidf"), None),
        (("evaluation.gate.macro_f1=> majority - 0.1",), None),
        (("evaluation.baselines=false", "evaluation.gate.macro_f1=> 0.5"), None),
        (("evaluation.checks=[calibration]", "evaluation.gate.calibration=< before"), "of the tuned model alone"),
    ],
)
def test_a_gate_compares_with_what_will_be_measured(
    files: dict[str, Path], models: dict[str, str], tmp_path: Path, overrides: tuple[str, ...], words: str | None
) -> None:
    if words is None:
        assert planned(files, models, tmp_path, *overrides).recipe.evaluation.gate
        return
    with pytest.raises(RecipeError, match=words):
        planned(files, models, tmp_path, *overrides)


def test_a_gate_beside_a_baseline_that_the_task_has_not(models: dict[str, str], tmp_path: Path) -> None:
    rows = [{"text": f"Ann {i} ok", "spans": [{"start": 0, "end": 3, "label": "PER"}]} for i in range(30)]
    file = tmp_path / "spans.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    given = ["task=token-classification", f"model={models['bert']}", f"bundle={tmp_path / 'out'}"]
    with pytest.raises(RecipeError, match='"tfidf" is not measured for token-classification') as caught:
        plan(as_recipe(str(file), [*given, "evaluation.gate.micro_f1=> tfidf"]))
    assert caught.value.hint == "Compare with one of: baseline, before, or with a number."


def test_plans_of_the_same_rows_do_not_share_their_notes(
    files: dict[str, Path], models: dict[str, str], tmp_path: Path
) -> None:
    from tunesmith.pipeline.augmented import training_rows

    base = planned(files, models, tmp_path, "data.augment=[typos]")
    again = [planned(files, models, tmp_path, "data.augment=[typos]", data=base.data) for _ in range(3)]
    for one in again:
        training_rows(one)
        assert sum("typos" in note for note in one.data.notes) == 1
    assert not any("typos" in note for note in base.data.notes)


def test_options_without_a_name_are_those_of_what_is_decided(
    files: dict[str, Path], models: dict[str, str], tmp_path: Path
) -> None:
    made = planned(files, models, tmp_path, "task.class_weights=none", "task.label_smoothing=0.1")
    assert made.task.class_weights == "none" and made.recipe.task.options["label_smoothing"] == 0.1
    assert as_recipe({"data": "x.csv", "task": {"class_weights": "none"}}).task.name == "auto"


def test_nothing_to_learn_from() -> None:
    with pytest.raises(RecipeError, match="data.path is missing"):
        plan(Recipe.parse({}))


def test_a_place_that_is_taken_or_cannot_be_written(
    files: dict[str, Path], models: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BundleError, match="is a file"):
        planned(files, models, tmp_path, f"bundle={tmp_path / 'file'}")
    with pytest.raises(BundleError, match="cannot be written"):
        planned(files, models, tmp_path, f"bundle={tmp_path / 'file' / 'out'}")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").touch()
    with pytest.raises(BundleError, match="other files"):
        planned(files, models, tmp_path, f"bundle={tmp_path / 'full'}", replace=True)


def test_what_learns_on_stands_beside_or_replaces_the_last_one(tmp_path: Path) -> None:
    for name in ("reviews", "reviews-2"):
        (tmp_path / name).mkdir()
    assert sibling(tmp_path / "reviews") == tmp_path / "reviews-3"
    assert sibling(tmp_path / "reviews", replace=True) == tmp_path / "reviews-2"


def test_the_name_of_a_bundle_is_the_datas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert place_for("/data/评论.csv.gz") == Path("out/评论")
    Path("out/评论").mkdir(parents=True)
    Path("out/评论-2").mkdir()
    assert place_for("/data/评论.csv.gz") == Path("out/评论-3")
    assert place_for("/data/评论.csv.gz", replace=True) == Path("out/评论")
    assert place_for("/data/*.csv") == Path("out/data")
    assert place_for("folder/*") == Path("out/folder")


def test_the_longest_rows_are_among_those_that_are_proven(
    files: dict[str, Path], models: dict[str, str], tmp_path: Path
) -> None:
    made = planned(files, models, tmp_path)
    made.data.test = [{"text": "x" * i, "label": "积极"} for i in range(1, 1000)]
    rows = proof_rows(made)
    assert len(rows) == PROVEN_ROWS and max(len(row["text"]) for row in rows) == 999
    assert min(len(row["text"]) for row in rows) < 100 and all(set(row) == {"text"} for row in rows)
    made.data.test = made.data.test[:3]
    assert len(proof_rows(made)) == 3
