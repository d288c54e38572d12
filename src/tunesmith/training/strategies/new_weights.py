"""Which of the trained weights are new, and have no start to stay near."""

from __future__ import annotations

from typing import Any


def new_weights(run: Any) -> set[str]:
    """Names of trained weights that no pretraining made: the head's."""
    from tunesmith.models.heads import head_parameters

    inner = run.model.get_base_model() if hasattr(run.model, "get_base_model") else run.model
    heads = {id(p) for p in head_parameters(inner)}
    return {name for name, p in run.trained().items() if id(p) in heads}
