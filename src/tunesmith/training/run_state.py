"""What a run is made of and where it stands: what strategies see, and what a checkpoint keeps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tunesmith.core.contracts import Feature, Row, Task

if TYPE_CHECKING:
    import torch
    from torch import nn

Encode = Callable[[Sequence[Row]], list[Feature]]
"""Rows -> features with their targets, cut as the run's own are."""


def _one() -> float:
    return 1.0


@dataclass
class RunState:
    """What strategies see of a run.

    Args:
        backward: adds a loss's gradient, as a batch's share of its step.
        processor: the tokenizer.
        encode: rows -> features with their targets.
        features: what is trained on.
        rows: what the first of the features were encoded of; ``row`` of a feature is an index, or -1.
        validation: rows that the best weights are chosen on.
        indices: of the batch that is computed, into ``features``.
        brought: while a strategy computes a batch of rows that are not the training's, the row of each feature.
        scale: what ``backward`` multiplies a loss by: more than 1 in fp16, where small gradients would vanish.
        autocast: the run's precision, for a forward pass that is not the model's own.
        accumulate: batches of a step.
        seed: of the run.
        halt: set by a strategy: why the run must end with the best weights that it has, or as an error.
    """

    model: nn.Module
    task: Task
    optimizer: Any
    backward: Callable[[torch.Tensor], None]
    step: int = 0
    epoch: int = 0
    total_steps: int = 0
    processor: Any = None
    encode: Encode | None = None
    features: Sequence[Feature] = ()
    rows: Sequence[Row] = ()
    validation: Sequence[Row] = ()
    indices: Sequence[int] = ()
    brought: Sequence[Row] | None = None
    scale: Callable[[], float] = _one
    autocast: Callable[[], AbstractContextManager[Any]] = nullcontext
    batch_size: int = 16
    accumulate: int = 1
    seed: int = 13
    halt: str = ""

    def embedding(self) -> Any:
        """The model's input embeddings; its ``weight`` is what training moves."""
        model: Any = self.model
        inner = model.get_base_model() if hasattr(model, "get_base_model") else model
        return inner.get_input_embeddings()

    def embedding_is_trained(self) -> bool:
        """Whether training moves the table of embeddings, as a whole or the rows that are seen."""
        model: Any = getattr(self.model, "module", self.model)
        if not hasattr(model, "get_input_embeddings"):
            return False  # a head on finished vectors
        return bool(self.embedding().weight.requires_grad)

    def trained(self) -> dict[str, nn.Parameter]:
        """The weights that training moves, by name."""
        return {name: p for name, p in self.model.named_parameters() if p.requires_grad}


@dataclass
class Progress:
    """What a resumed run must know; JSON."""

    step: int = 0
    epoch: int = 0
    batch: int = 0
    """Batches of this epoch that are done."""
    best: list[float] | None = None
    best_step: int = 0
    worse: int = 0
    """Evaluations since the best."""
    seconds: float = 0.0
    samples: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    done: bool = False
    stopped_early: bool = False
