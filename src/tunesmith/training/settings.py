"""A recipe's training block and a method's tuned defaults, put together: every value decided."""

from __future__ import annotations

from tunesmith.core.contracts import Method
from tunesmith.core.recipe import TrainingBlock


def decided(block: TrainingBlock, method: Method) -> TrainingBlock:
    """The block with the method's defaults where the recipe is silent."""
    tuned = method.defaults
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
