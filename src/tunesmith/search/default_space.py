"""What is tried where the user names no space: the settings that move a method's figure, around its tuned defaults."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from tunesmith.core.contracts import Method, Task
from tunesmith.core.errors import RecipeError
from tunesmith.core.registry import options_of
from tunesmith.search.space import Choice, Range, Space

WIDTH = 5.0
"""A learning rate is tried from a fifth of the default to five times it."""

OPTIONS: dict[str, Choice] = {
    "method.rank": Choice((4, 8, 16, 32)),
    "method.length": Choice((8, 16, 32)),
    "method.size": Choice((24, 48, 96)),
    "task.label_smoothing": Choice((0.0, 0.05, 0.1)),
}
"""Options of methods and tasks that are worth trying, where the plug-in has them as a number."""


def default_space(method: Method, task: Task, training: Any, given: Collection[str] = ()) -> Space:
    """Settings to try for a method on a task; what the recipe says itself is left alone.

    Args:
        training: the recipe's training block with every value decided.
        given: dotted keys that the recipe sets.
    """
    rate, epochs = training.learning_rate, training.epochs
    space: Space = {
        "training.learning_rate": Range(rate / WIDTH, rate * WIDTH, log=True),
        "training.epochs": Range(max(1, round(epochs / 2)), max(2, round(epochs * 2)), whole=True),
        "training.batch_size": Choice(_sizes(training.batch_size)),
        "training.warmup": Choice((0.0, 0.1, 0.2)),
    }
    if not method.frozen_backbone:
        space["training.weight_decay"] = Choice((0.0, 0.01, 0.1))
    if method.defaults.layer_decay < 1:  # the method trains the layers themselves
        space["training.layer_decay"] = Range(0.75, 1.0)
    plugins: dict[str, type] = {"method": type(method), "task": type(task)}
    for key, choice in OPTIONS.items():
        block, _, name = key.partition(".")
        field = options_of(plugins[block]).model_fields.get(name)
        if field is not None and isinstance(field.default, int | float):
            space[key] = Choice(tuple(value for value in choice.values if _takes(plugins[block], name, value)))
    return {key: dimension for key, dimension in space.items() if key not in given}


def _takes(plugin: type, option: str, value: Any) -> bool:
    """Whether it goes with the plug-in's other defaults: adalora's rank is below its first one."""
    try:
        plugin(**{option: value})
    except RecipeError:
        return False
    return True


def _sizes(default: int) -> tuple[int, ...]:
    return tuple(sorted({max(4, default // 2), default, default * 2}))
