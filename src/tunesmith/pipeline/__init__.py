"""The stages of a recipe: plan, run, save; and run again.

``plan`` decides everything that the recipe leaves open and loads no weights, ``run`` does it, ``save`` makes the
bundle and proves it. What one stage makes is handed to the next; no state is kept here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tunesmith.bundle.read import Bundle
    from tunesmith.core.recipe import Recipe


def tune(data: str | Mapping[str, Any] | Recipe, *overrides: str, replace: bool = False, **blocks: Any) -> Bundle:
    """From rows to a proven bundle.

    Args:
        data: a data file (or glob, folder, hub id), a recipe's YAML file, a mapping, or a Recipe.
        overrides: ``"training.epochs=1"`` strings.
        replace: write over a bundle of the same name.
        blocks: parts of the recipe by name: ``model="minilm"``, ``method={"name": "lora"}``.

    Returns:
        The bundle: ``bundle.predict(["great!"])``, ``bundle.report``.

    Raises:
        TunesmithError: what is wrong, and what to do.
    """
    from tunesmith.core.runtime import calm_threads

    calm_threads()
    from tunesmith.pipeline.plan import as_recipe, plan
    from tunesmith.pipeline.run import run

    return run(plan(as_recipe(data, overrides, blocks), replace=replace), replace=replace)
