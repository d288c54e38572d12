"""A recipe's training block and a method's tuned defaults, put together: every value decided."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from tunesmith.core.contracts import Method, MethodDefaults, Strategy, Task
from tunesmith.core.recipe import TrainingBlock
from tunesmith.training.optim import OptimizerSettings, Schedule

MOST_EPOCHS = 20
"""To which few rows are gone through again, so that there are enough steps (Mosbach et al. 2021, section 6)."""


@dataclass(frozen=True)
class LoopSettings:
    """How long and how hard; every value decided."""

    epochs: float
    batch_size: int
    optimizer: OptimizerSettings
    warmup: float = 0.1
    schedule: Schedule = "linear"
    accumulate: int = 1
    clip: float = 1.0
    max_steps: int | None = None
    evaluations: float = 1.0
    """An epoch."""
    patience: int | None = 3
    checkpoint_seconds: float = 60.0
    seed: int = 13
    best: str = "macro_f1"
    higher_is_better: bool = True
    tie_break: str | None = None
    """A loss that decides between evaluations equal in ``best``: small validation rows reach the same score early."""

    @classmethod
    def of(cls, block: TrainingBlock, best: str, higher_is_better: bool, tie_break: str | None = None) -> LoopSettings:
        """From a recipe's block with all values decided."""
        optimizer = OptimizerSettings(
            block.learning_rate or 0.0, block.weight_decay or 0.0, block.layer_decay or 1.0, block.head_learning_rate
        )
        same = {f.name: getattr(block, f.name) for f in fields(cls) if f.name in TrainingBlock.model_fields}
        return cls(**same, optimizer=optimizer, best=best, higher_is_better=higher_is_better, tie_break=tie_break)


def decided(
    block: TrainingBlock,
    method: Method,
    task: Task | None = None,
    strategies: Sequence[Strategy] = (),
    rows: int | None = None,
) -> TrainingBlock:
    """The block with the method's defaults, as tuned for the task and the strategies, where the recipe is silent.

    Args:
        rows: of training: few of them may want more epochs.
    """
    tuned = method.defaults if task is None else tuned_for(task, method)
    for strategy in strategies:
        tuned = _over(tuned, strategy.training, method)
    if block.batch_size is not None:
        tuned = _over(tuned, {"batch_size": block.batch_size}, method)
    fill = {
        "epochs": _epochs(tuned, tuned.batch_size * (block.accumulate or tuned.accumulate), rows),
        "batch_size": tuned.batch_size,
        "accumulate": tuned.accumulate,
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


def _epochs(tuned: MethodDefaults, rows_of_a_step: int, rows: int | None) -> float:
    """So many that there are ``least_steps``, but ``MOST_EPOCHS`` at most."""
    if not rows:
        return tuned.epochs
    wanted = math.ceil(tuned.least_steps / math.ceil(rows / rows_of_a_step))
    return max(tuned.epochs, min(MOST_EPOCHS, wanted))


def tuned_for(task: Task, method: Method) -> MethodDefaults:
    """A method's defaults with what the task says for every method, and then for this one."""
    return _over(method.defaults, task.training, method)


def _over(tuned: MethodDefaults, said: Mapping[str, Any], method: Method) -> MethodDefaults:
    """What a task or strategy says for every method, and then for this one; a new batch is one of one piece."""
    of_all = {key: value for key, value in said.items() if not isinstance(value, Mapping)}
    new = {**of_all, **said.get(method.name, {})}
    return replace(tuned, **({"accumulate": 1, **new} if "batch_size" in new else new))
