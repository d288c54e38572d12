"""Which of the trained weights are new, and where the others start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def new_weights(run: Any) -> set[str]:
    """Names of trained weights that no pretraining made: the head's."""
    from tunesmith.models.heads import head_parameters

    inner = run.model.get_base_model() if hasattr(run.model, "get_base_model") else run.model
    heads = {id(p) for p in head_parameters(inner)}
    return {name for name, p in run.trained().items() if id(p) in heads}


def start_of(run: Any) -> dict[str, torch.Tensor]:
    """Copies of the trained weights that have a start, by name; a resumed run reads its checkpoint after this."""
    new = new_weights(run)
    return {name: p.detach().clone() for name, p in run.trained().items() if name not in new}
