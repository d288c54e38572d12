from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
import yaml

from tunesmith.cli import main
from tunesmith.cli.families import families
from tunesmith.cli.schema import PLACES, recipe_schema
from tunesmith.core.errors import RecipeError
from tunesmith.core.recipe import Recipe

GOOD = [
    {},
    {"data": "a.csv", "model": "minilm", "task": "text-classification", "method": "auto"},
    {"data": {"path": "a.csv", "text": "review", "label": "stars", "split": {"by": "time", "time": "day"}}},
    {"method": {"name": "lora", "rank": 8}, "training": {"strategies": ["r_drop", {"name": "fgm", "epsilon": 0.5}]}},
    {"evaluation": {"checks": ["calibration"], "gate": {"macro_f1": ">= baseline + 0.02"}}},
    yaml.safe_load(Recipe().to_yaml()),
]
BAD: list[dict[str, Any]] = [
    {"trainig": {}},
    {"method": "lroa"},
    {"method": {"name": "lora", "rnk": 8}},
    {"method": {"name": "full", "rank": 8}},
    {"method": {"name": "lora", "rank": 0}},
    {"training": {"strategies": ["adversarial"]}},
    {"training": {"epochs": 0}},
    {"data": {"txt": "review"}},
]


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    schema = recipe_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("recipe", GOOD)
def test_accepts_what_we_accept(validator: jsonschema.Draft202012Validator, recipe: dict[str, Any]) -> None:
    Recipe.parse(recipe)
    validator.validate(recipe)


@pytest.mark.parametrize("recipe", BAD)
def test_refuses_what_we_refuse(validator: jsonschema.Draft202012Validator, recipe: dict[str, Any]) -> None:
    with pytest.raises(RecipeError):
        Recipe.parse(recipe)
    assert not validator.is_valid(recipe)


def test_holds_the_options_of_every_plugin() -> None:
    definitions = recipe_schema()["$defs"]
    for family in PLACES.values():
        blocks = {block["title"] for block in definitions[family]["anyOf"] if "title" in block}
        assert blocks == set(families()[family])


def test_is_printed_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "Recipe"
