"""A recipe's training block and a method's tuned defaults, put together: every value decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tunesmith.core.contracts import Method, MethodDefaults, Task
from tunesmith.core.recipe import TrainingBlock


def decided(block: TrainingBlock, method: Method, task: Task | None = None) -> TrainingBlock:
    """The block with the method's defaults, as tuned for the task, where the recipe is silent."""
    tuned = method.defaults if task is None else tuned_for(task, method)
    fill = {
        "epochs": tuned.epochs,
        "batch_size": tuned.batch_size,
        "learning_rate": tuned.learning_rate,
        "head_learning_rate": tuned.head_learning_rate,
        "weight_decay": tuned.weight_decay,
        "layer_decay": tuned.layer_decay,
        "warmup": tuned.warmup,
    }
    if block.learning_rate is not None and tuned.head_learning_rate is not None:
        # Who sets one rate means the whole model to follow it; the head keeps its ratio.
        fill["head_learning_rate"] = tuned.head_learning_rate * block.learning_rate / tuned.learning_rate
    given = block.model_dump()
    missing = {key: value for key, value in fill.items() if given[key] is None}
    return TrainingBlock.model_validate({**given, **missing})


def tuned_for(task: Task, method: Method) -> MethodDefaults:
    """A method's defaults with what the task says for every method, and then for this one."""
    of_all = {key: value for key, value in task.training.items() if not isinstance(value, Mapping)}
    return replace(method.defaults, **{**of_all, **task.training.get(method.name, {})})
