from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.core.errors import RecipeError
from tunesmith.core.recipe import Recipe

FULL = """
data:       {path: reviews.csv, text: review, label: sentiment, split: {by: label, test: 0.1}}
model:      minilm
task:       text-classification
method:     {name: lora, rank: 8}
training:   {epochs: 3, learning_rate: 2e-5, strategies: [{name: fgm, epsilon: 0.5}]}
evaluation: {checks: [calibration], gate: {macro_f1: ">= baseline + 0.02"}}
bundle:     out/reviews
"""


def mistakes(values: dict[str, Any], *overrides: str) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        Recipe.parse(values, overrides)
    return caught.value.mistakes


def test_every_key_has_a_default() -> None:
    recipe = Recipe.parse({})
    assert (recipe.task.name, recipe.method.name, recipe.model.name) == ("auto", "auto", "auto")


def test_reads_yaml_with_short_forms(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(FULL, "utf-8")
    recipe = Recipe.read(tmp_path / "recipe.yaml", ["training.epochs=1"])
    assert recipe.data.columns == {"text": "review", "label": "sentiment"}
    assert recipe.model.name == "minilm"
    assert recipe.method.options == {"rank": 8}
    assert recipe.training.learning_rate == 2e-5
    assert recipe.training.epochs == 1
    assert recipe.training.strategies[0].options == {"epsilon": 0.5}


def test_three_mistakes_are_reported_at_once() -> None:
    said = mistakes({"method": {"name": "lora", "rnk": 4}, "trainig": {}}, "training.epochs=-1")
    assert len(said) == 3
    text = "\n".join(said)
    assert 'trainig: unknown key. Did you mean "training"?' in text
    assert "training.epochs: input should be greater than 0, got -1" in text
    assert 'method.rnk: unknown key. Did you mean "rank"?' in text


def test_the_problem_is_one_line_and_numbers_the_mistakes() -> None:
    with pytest.raises(RecipeError) as caught:
        Recipe.parse({"a": 1, "b": 2, "c": 3})
    assert caught.value.problem.startswith("The recipe has 3 mistakes: (1) ")
    assert "\n" not in caught.value.problem


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"method": "lroa"}, 'method: there is no method "lroa". Did you mean "lora"?'),
        ({"task": "text-clasification"}, 'Did you mean "text-classification"?'),
        ({"training": {"strategies": ["fgn"]}}, 'training.strategies[0]: there is no strategy "fgn".'),
        ({"evaluation": {"checks": [{"name": "calibration", "x": 1}]}}, "evaluation.checks[0].x: unknown key."),
        ({"data": {"pth": "a.csv"}}, 'data.pth: unknown key. Did you mean "path"?'),
        (
            {"data": {"split": {"by": "lable"}}},
            "data.split.by: input should be 'label', 'random', 'group', 'time' or",
        ),
        ({"method": {"name": "lora", "rank": 0}}, "method.rank: input should be greater than or equal to 1, got 0"),
    ],
)
def test_a_mistake_names_its_key_and_what_is_allowed(values: dict[str, Any], said: str) -> None:
    (only,) = mistakes(values)
    assert said in only


@pytest.mark.parametrize(
    ("override", "read"),
    [
        ("training.learning_rate=2e-5", 2e-5),
        ("training.learning_rate=3E-4", 3e-4),
        ("training.learning_rate=0.001", 0.001),
    ],
)
def test_numbers_as_people_write_them(override: str, read: float) -> None:
    assert Recipe.parse({}, [override]).training.learning_rate == read


def test_overrides_keep_what_stands_beside_them() -> None:
    recipe = Recipe.parse({"data": "a.csv", "method": "lora"}, ["method.rank=4", "data.test=b.csv"])
    assert (recipe.method.name, recipe.method.options) == ("lora", {"rank": 4})
    assert (recipe.data.path, recipe.data.test) == ("a.csv", "b.csv")


def test_overrides_do_not_change_what_they_were_given() -> None:
    values: dict[str, Any] = {"data": {"split": {"test": 0.2}}}
    Recipe.parse(values, ["data.split.test=0.3"])
    assert values == {"data": {"split": {"test": 0.2}}}


def test_column_names_stay_text() -> None:
    assert Recipe.parse({}, ["data.text=评论", "data.label=label"]).data.columns == {"text": "评论", "label": "label"}


@pytest.mark.parametrize("name", ["yes", "2024", "1e3", "2024-01-01", "on", "null_", "a: b"])
def test_names_are_never_numbers_or_truths(name: str) -> None:
    recipe = Recipe.parse({}, [f"data.label={name}", f"bundle={name}", f"data.split.group={name}", f"data.path={name}"])
    assert (recipe.data.columns["label"], recipe.bundle, recipe.data.split.group) == (name, name, name)
    assert recipe.data.path == name


def test_several_columns_and_none() -> None:
    recipe = Recipe.parse({"bundle": "out"}, ["data.labels=[a, b]", "bundle=null"])
    assert (recipe.data.columns["labels"], recipe.bundle) == (["a", "b"], None)


def test_an_override_without_equals_is_a_mistake() -> None:
    (only,) = mistakes({}, "training.epochs")
    assert "is not an override: write key=value" in only


@pytest.mark.parametrize("text", ["- a\n- b\n", "data: {path: a.csv", "just words"])
def test_what_is_no_recipe(tmp_path: Path, text: str) -> None:
    (tmp_path / "recipe.yaml").write_text(text, "utf-8")
    with pytest.raises(RecipeError, match="is not"):
        Recipe.read(tmp_path / "recipe.yaml")


def test_a_recipe_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="cannot be read: No such file"):
        Recipe.read(tmp_path / "none.yaml")


def test_yaml_round_trip(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(FULL, "utf-8")
    first = Recipe.read(tmp_path / "a.yaml")
    (tmp_path / "b.yaml").write_text(first.to_yaml(), "utf-8")
    assert Recipe.read(tmp_path / "b.yaml") == first


@given(st.floats(1e-8, 1e3), st.integers(1, 10_000), st.sampled_from(["评论", "text", "a b"]))
def test_what_is_written_reads_the_same(rate: float, size: int, column: str) -> None:
    import yaml

    recipe = Recipe.parse(
        {"training": {"learning_rate": rate, "batch_size": size}, "data": {"path": "a.csv", "text": column}}
    )
    assert Recipe.parse(yaml.safe_load(recipe.to_yaml())) == recipe


@pytest.mark.parametrize(
    "values",
    [
        {"training": {"patience": None}},
        {"training": {"trackers": []}},
        {"task": {"name": "relation-extraction", "none_label": None}, "method": {"name": "lora", "rank": 4}},
        {"training": {"strategies": [{"name": "replay", "path": "旧.csv", "share": None}, "fgm"]}},
        {"evaluation": {"calibrate": True}, "data": {"path": "评论.csv", "split": {"group": None}}},
    ],
)
def test_what_is_written_is_read_again_as_the_same_recipe(values: dict[str, Any]) -> None:
    recipe = Recipe.model_validate(values)
    again = Recipe.model_validate(yaml.safe_load(recipe.to_yaml()))
    assert again.model_dump() == recipe.model_dump()
    assert "null" not in Recipe().to_yaml()


@pytest.mark.parametrize(
    "overrides",
    [
        ["evaluation.calibrate=true", "evaluation.calibrate.error=0.05"],
        ["evaluation.calibrate.error=0.05", "evaluation.calibrate=true"],
    ],
)
def test_true_and_options_mean_on_with_these(overrides: list[str]) -> None:
    calibrate = Recipe.parse({}, overrides).evaluation.calibrate
    assert calibrate is not None and calibrate.error == 0.05
    assert Recipe.parse({"evaluation": {"calibrate": True}}, overrides[-1:]).evaluation.calibrate is not None
    assert Recipe.parse({}, [*overrides, "evaluation.calibrate=false"]).evaluation.calibrate is None
    with pytest.raises(RecipeError):
        Recipe.parse({}, ["method=true", "method.rank=4"])
