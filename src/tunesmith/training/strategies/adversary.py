"""What adversaries on the embeddings share: a move for each lookup of a pass, that passes read and gradients change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tunesmith.core.contracts import Batch, LossFn, Method, Strategy, Task
from tunesmith.training.strategies import needs
from tunesmith.training.strategies.lookups import changed, in_ball, unit

if TYPE_CHECKING:
    import torch


def ascended(move: torch.Tensor, gradient: torch.Tensor, step: float, radius: float) -> torch.Tensor:
    """One step of projected ascent: ``P(move + step * g / ||g||)``, P onto the ball of ``radius``; a text at a time."""
    return in_ball(move + step * unit(gradient), radius)


class Adversary(Strategy):
    """Keeps the moves of a batch. Subclasses say where a move starts, and take the passes after the first.

    Args:
        epsilon: the longest move of a text, in units of the embedding table.
        step: length of a step of ascent.
        steps: how many.
    """

    def __init__(self, epsilon: float, step: float, steps: int) -> None:
        self.epsilon = epsilon
        self.step = step
        self.steps = steps
        self._embedding: Any = None
        self._moves: list[torch.Tensor] = []
        self._going_on = False

    def fits(self, task: Task, method: Method) -> str | None:
        """Not on vectors that were computed before."""
        return needs.backbone(method)

    def start(self, run: Any) -> None:
        """Find the embeddings."""
        self._embedding = run.embedding()

    def first(self, ids: torch.Tensor, vectors: torch.Tensor, place: int) -> torch.Tensor:
        """Where the move of a lookup starts: like ``vectors``."""
        import torch

        return torch.zeros_like(vectors)

    def loss(self, compute: LossFn) -> LossFn:
        """The same loss, of moved embeddings; a batch's first pass makes the moves."""

        def moved(model: Any, batch: Batch) -> tuple[torch.Tensor, Any]:
            if not self._going_on:
                self._moves = []
            with changed(self._embedding, self._move):
                return compute(model, batch)

        return moved

    def ascend(self, gradients: Sequence[torch.Tensor | None]) -> None:
        """Move against the loss, and forget these gradients; what fp16's scale made too large says no direction."""
        self._moves = [
            move.detach()
            if gradient is None
            else ascended(move.detach(), gradient.nan_to_num(0.0, 0.0, 0.0), self.step, self.epsilon)
            for move, gradient in zip(self._moves, gradients, strict=True)
        ]
        for move in self._moves:
            move.requires_grad_(True)

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Passes within read the moves that there are."""
        self._going_on = True
        try:
            yield
        finally:
            self._going_on = False
            self._moves = []

    def _move(self, ids: torch.Tensor, vectors: torch.Tensor, place: int) -> torch.Tensor:
        if place == len(self._moves):
            self._moves.append(self.first(ids, vectors.detach(), place).requires_grad_(True))
        return vectors + self._moves[place]
