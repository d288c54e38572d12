"""Passes over calibration batches, and what is read on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

from tunesmith.core.contracts import Batch

Loss = Callable[[Any, Batch], torch.Tensor]
"""(model, batch) -> the mean loss of the batch, a scalar."""
Hooks = Iterable[Any]


@contextmanager
def as_it_answers(model: Any) -> Iterator[None]:
    """Without dropout and without gradients for the weights; as before on leaving."""
    training = model.training
    wanted = {name for name, p in model.named_parameters() if p.requires_grad}  # by name: weights may be cut meanwhile
    model.eval().requires_grad_(False)
    try:
        yield
    finally:
        model.train(training)
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name in wanted)


@contextmanager
def hooked(hooks: Hooks) -> Iterator[None]:
    """Hooks that are removed at the end of the block."""
    with ExitStack() as stack:
        for hook in hooks:
            stack.callback(hook.remove)
        yield


class Tokens:
    """Which positions of the pass that is under way are tokens and no padding."""

    def __init__(self, model: Any) -> None:
        self.mask: torch.Tensor | None = None
        self.hook = model.base_model.register_forward_pre_hook(self._read, with_kwargs=True)

    def _read(self, module: Any, args: Any, named: dict[str, Any]) -> None:
        self.mask = named.get("attention_mask")

    def of(self, states: torch.Tensor) -> torch.Tensor:
        """[rows, length, width] -> [tokens, width]."""
        return tokens_of(states, self.mask)


def tokens_of(states: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """[rows, length, width] -> [tokens, width], padding left out where the mask is of these rows."""
    if mask is None or mask.shape != states.shape[:2]:
        return states.flatten(0, 1)
    return states[mask.bool()]


def passes(model: Any, batches: Sequence[Batch], loss: Loss) -> None:
    """Compute all batches, for the hooks' sake."""
    with torch.no_grad():
        for batch in batches:
            loss(model, batch)
