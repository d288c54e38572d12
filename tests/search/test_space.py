"""What a search may try: read, checked early, and with all mistakes told."""

from __future__ import annotations

from typing import Any

import pytest

from tunesmith.core.errors import RecipeError
from tunesmith.core.recipe import Recipe, TrainingBlock
from tunesmith.core.registry import family, options_of
from tunesmith.search.budget import seconds_of
from tunesmith.search.default_space import OPTIONS, default_space
from tunesmith.search.space import Choice, Range, check_space, parse_space, with_values
from tunesmith.training.settings import decided


class TestReading:
    def test_forms(self) -> None:
        space = parse_space(
            {
                "training.learning_rate": ["1e-5", 5e-4, "log"],
                "training": {"epochs": [1, 4], "batch_size": [8, 16, 32], "warmup": {"values": [0, 0.1]}},
                "task.class_weights": ["none", "balanced"],
            }
        )
        assert space == {
            "training.learning_rate": Range(1e-5, 5e-4, log=True),
            "training.epochs": Range(1, 4, whole=True),
            "training.batch_size": Choice((8, 16, 32)),
            "training.warmup": Choice((0, 0.1)),
            "task.class_weights": Choice(("none", "balanced")),
        }
        assert parse_space({key: dimension.to_json() for key, dimension in space.items()}) == space

    def test_from_the_command_line(self) -> None:
        recipe = Recipe.parse({}, ["search.space={training.learning_rate: [1e-5, 5e-4, log]}"])
        dotted = Recipe.parse({}, ["search.space.training.learning_rate=[1e-5, 5e-4, log]"])
        assert recipe.search and dotted.search
        assert parse_space(recipe.search.space) == parse_space(dotted.search.space)
        assert "search" not in Recipe.parse({}).to_yaml()

    @pytest.mark.parametrize(
        ("given", "told"),
        [
            (3, "write [low, high]"),
            ([5e-4, 1e-5], "from a lower number to a higher one"),
            ([0, 1, "log"], "must begin above 0"),
            ([1, 2, "fast"], '"log" or "linear"'),
            ([8], "nothing to choose"),
            ([8, 8, 8], "nothing to choose"),
            ([[1], [2]], "a number or a word"),
        ],
    )
    def test_what_cannot_be_read(self, given: Any, told: str) -> None:
        with pytest.raises(RecipeError, match="search.space.training.epochs") as error:
            parse_space({"training.epochs": given})
        assert told in error.value.problem

    def test_holds(self) -> None:
        assert Range(1, 4, whole=True).holds(2.0) and not Range(1, 4, whole=True).holds(2.5)
        assert not Range(1, 4).holds(None) and not Range(0, 1).holds(True) and Choice((0.0, 0.1)).holds(0.1)


class TestChecking:
    BASE = {"task": {"name": "text-classification"}, "method": {"name": "lora"}, "training": {"epochs": 2}}

    def test_what_is_allowed(self) -> None:
        given = {
            "training.learning_rate": [1e-5, 1e-3, "log"],
            "method.rank": [2, 4, 8],
            "task.label_smoothing": [0.0, 0.2],
        }
        check_space(parse_space(given), self.BASE)
        check_space(parse_space({"method.name": ["full", "lora"]}), {**self.BASE, "method": {"name": "full"}})

    def test_all_mistakes_at_once(self) -> None:
        given = {"training.learning_rat": [1e-5, 1e-3], "training.batch_size": [0, 8, 16], "method.rnk": [2, 4, 8]}
        with pytest.raises(RecipeError) as error:
            check_space(parse_space(given), self.BASE)
        assert len(error.value.mistakes) == 3
        assert 'Did you mean "learning_rate"' in error.value.problem and "batch_size" in error.value.problem

    def test_what_must_stay(self) -> None:
        for key in ("data.split.seed", "training.seed", "evaluation.resamples", "bundle"):
            with pytest.raises(RecipeError, match="cannot be searched"):
                check_space(parse_space({key: [1, 2, 3]}), self.BASE)

    def test_an_option_that_one_of_the_methods_lacks(self) -> None:
        space = parse_space({"method.name": ["full", "lora"], "method.rank": [2, 4, 8]})
        with pytest.raises(RecipeError, match=r"with method=full"):
            check_space(space, self.BASE)

    def test_a_method_that_is_not_there(self) -> None:
        with pytest.raises(RecipeError, match='no method "lroa"'):
            check_space(parse_space({"method.name": ["full", "lroa"]}), self.BASE)

    def test_values_are_put_in_without_touching_the_recipe(self) -> None:
        made = with_values(self.BASE, {"training.learning_rate": 1e-4, "method.rank": 4})
        assert made["training"] == {"epochs": 2, "learning_rate": 1e-4}
        assert made["method"] == {"name": "lora", "rank": 4}
        assert self.BASE["training"] == {"epochs": 2}


@pytest.mark.parametrize("method", list(family("methods")))
@pytest.mark.parametrize("task", ["text-classification", "token-classification", "text-regression"])
def test_every_method_has_a_space_that_its_recipe_takes(method: str, task: str) -> None:
    made, made_task = family("methods").make(method), family("tasks").make(task)
    training = decided(TrainingBlock(), made, made_task)
    space = default_space(made, made_task, training)
    check_space(space, {"task": {"name": task}, "method": {"name": method}})
    assert space["training.learning_rate"].holds(training.learning_rate), "the defaults are among them"
    assert "training.learning_rate" not in default_space(made, made_task, training, {"training.learning_rate"})


def test_every_option_that_is_tried_is_one_of_some_plug_in_and_its_default_among_the_values() -> None:
    for key, choice in OPTIONS.items():
        block, _, name = key.partition(".")
        plugins = family(f"{block}s")
        fields = [options_of(plugins.load(one)).model_fields.get(name) for one in plugins]
        defaults = [field.default for field in fields if field is not None and isinstance(field.default, int | float)]
        assert any(choice.holds(default) for default in defaults), f"no plug-in has {key}"


@pytest.mark.parametrize("method", ["prefix", "prompt", "p_tuning", "adapter", "lora", "adalora"])
def test_a_methods_own_size_is_tried_at_values_that_it_takes(method: str) -> None:
    made, task = family("methods").make(method), family("tasks").make("text-classification")
    (key,) = (k for k in default_space(made, task, decided(TrainingBlock(), made, task)) if k.startswith("method."))
    found = default_space(made, task, decided(TrainingBlock(), made, task))[key]
    assert isinstance(found, Choice) and len(found.values) > 1
    assert found.holds(options_of(type(made)).model_fields[key.partition(".")[2]].default)
    for value in found.values:
        family("methods").make(method, {key.partition(".")[2]: value})


def test_budgets() -> None:
    assert [seconds_of(text) for text in ("90", "90s", "1.5m", "1h30m", "10 min")] == [90, 90, 90, 5400, 600]
    for text in ("soon", "", "-5", "0", "10x", "5m later"):
        with pytest.raises(RecipeError, match="no time"):
            seconds_of(text)
