"""Every strategy, with options that a tiny run can have; and what they are given by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tunesmith.bundle.layout import Manifest, MethodRecord, TaskRecord
from tunesmith.bundle.write import write_bundle, write_model
from tunesmith.core.contracts import Strategy
from tunesmith.core.recipe import Recipe
from tunesmith.core.registry import family

APART = ("contrastive", "uda", "pseudo_labels", "dpo", "orpo", "kto", "grpo")
"""Those with a phase of their own, that pick among rows without labels, or that need a model which writes: they have
their own tests."""
NAMES = sorted(set(family("strategies")) - set(APART))
OPTIONS: dict[str, dict[str, Any]] = {
    "ema": {"decay": 0.8},
    "swa": {"begin": 0.2, "every": 2},
    "class_weights": {"power": 1.0},
    "l2_sp": {"alpha": 0.5},
    "ewc": {"strength": 5.0, "examples": 4},
    "fgm": {"epsilon": 0.1},
    "dp_sgd": {"noise": 0.5, "secret": False},
    "fair": {"criterion": "demographic_parity"},
}


def strategy(name: str, *, teacher: Path | None = None, rows: list[dict[str, Any]] | None = None) -> Strategy:
    """One by name; those that read other rows get ``rows``: to protect, or as another domain's."""
    options = dict(OPTIONS.get(name, {}))
    if name == "distill":
        options["teacher"] = str(teacher)
    if name in ("ewc", "replay", "coral", "dann"):
        options["rows"] = rows
    made: Strategy = family("strategies").make(name, options)
    return made


def bundle(folder: Path, model: Any, task: Any, processor: Any, max_length: int = 48, options: Any = None) -> Path:
    """A bundle of a model, as a teacher."""
    recipe = Recipe.parse({"data": {"path": "x.csv"}, "model": "tiny"})
    manifest = Manifest(
        task=TaskRecord(task.name, options or {}, task.state),
        method=MethodRecord("full"),
        recipe=recipe.model_dump(),
        max_length=max_length,
    )
    fill: Callable[[Path], None] = lambda part: write_model(part, model, processor)  # noqa: E731
    write_bundle(folder, fill=fill, manifest=manifest)
    return folder
