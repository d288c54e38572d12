"""Which tasks write, and how."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tunesmith.core.contracts import Prediction, Task


def writes(task: Task | Any) -> bool:
    """Whether a task's predictions are texts that its model writes."""
    return hasattr(task, "decoding")


def step_by_step(task: Any, runtime: Any) -> bool:
    """Whether they can be written token by token beside others: by a causal model, without beams."""
    able = runtime.name == "torch" or hasattr(runtime, "decoder")
    return able and writes(task) and getattr(task, "causal", False) and task.decoding.beams == 1


def written_in(task: Task | Any, predictions: Sequence[Prediction]) -> int:
    """Tokens that were written for predictions."""
    return sum(one["tokens"] for one in predictions) if writes(task) else 0
