"""Settings of a recipe that a verb does not read: said and not done, they would be taken for done."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from tunesmith.core.recipe import Recipe


def unread_keys(recipe: Recipe, read: Collection[str]) -> list[str]:
    """Keys that are set, and that are neither read nor below one that is; sorted.

    >>> recipe = Recipe.parse({}, ["training.seed=3", "model.max_length=64", "evaluation.gate.accuracy=> 0.9"])
    >>> unread_keys(recipe, ["training", "evaluation.gate"])
    ['model.max_length']
    """
    given = set(_paths(recipe.model_dump(exclude_unset=True)))
    return sorted(path for path in given if not any(f"{path}.".startswith(f"{key}.") for key in read))


def _paths(values: Mapping[str, Any], at: str = "") -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _paths(value, f"{at}{key}.")
        else:
            yield f"{at}{key}"
