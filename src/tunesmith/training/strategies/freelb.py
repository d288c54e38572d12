"""Adversarial training whose every pass counts: FreeLB (Zhu et al. 2020)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from tunesmith.core.contracts import Batch, LossFn
from tunesmith.training.strategies.adversary import Adversary
from tunesmith.training.strategies.lookups import real_tokens

if TYPE_CHECKING:
    import torch


def weighed(loss: torch.Tensor, share: float) -> torch.Tensor:
    """The same figure with ``share`` of its gradient."""
    part = loss * share
    return part + (loss - part).detach()


class FreeLb(Adversary):
    """The mean gradient of ``steps`` passes, each a step further against the loss (Zhu et al. 2020, algorithm 1).

    All passes of a batch drop the same units (section 3.3), and the first starts at a random place.

    Args:
        epsilon: the longest move of a text, in units of the embedding table.
        step: length of a step.
        steps: passes.
        initial: the start is uniform within ``initial / sqrt(elements)``.
    """

    name: ClassVar[str] = "freelb"
    summary: ClassVar[str] = "adversarial training, the mean over all steps (Zhu et al. 2020)"

    def __init__(
        self,
        epsilon: Annotated[float, Field(gt=0)] = 0.2,
        step: Annotated[float, Field(gt=0)] = 0.08,
        steps: Annotated[int, Field(ge=1)] = 3,
        initial: Annotated[float, Field(ge=0)] = 0.1,
    ) -> None:
        super().__init__(epsilon, step, steps)
        self.initial = initial
        self._draws: Any = None
        self._own_seed = 0
        self._padding: int | None = None

    def start(self, run: Any) -> None:
        """Find the embeddings, and what padding is."""
        super().start(run)
        self._padding = getattr(run.processor, "pad_token_id", None)

    def first(self, ids: torch.Tensor, vectors: torch.Tensor, place: int) -> torch.Tensor:
        """Uniform, from a generator of its own: passes must find the run's generator alike."""
        import torch

        own = torch.Generator(vectors.device).manual_seed(self._own_seed + place)
        there = real_tokens(ids, self._padding)
        elements = there.sum(1, keepdim=True).clamp(min=1) * vectors.shape[-1]
        drawn = torch.rand(vectors.shape, generator=own, device=vectors.device, dtype=vectors.dtype) * 2 - 1
        return drawn * there * self.initial / elements.sqrt()

    def loss(self, compute: LossFn) -> LossFn:
        """A pass's share of the mean."""
        moved = super().loss(compute)

        def shared(model: Any, batch: Batch) -> tuple[torch.Tensor, Any]:
            import torch

            if model.training and not self._going_on:
                self._own_seed = int(torch.randint(2**31, ()))
                self._draws = _draws()
            loss, outputs = moved(model, batch)
            return (weighed(loss, 1 / self.steps) if model.training else loss), outputs

        return shared

    def after_backward(self, run: Any, batch: Batch, compute: LossFn) -> None:
        """The other passes."""
        with self.going_on():
            for _ in range(self.steps - 1):
                self.ascend([move.grad for move in self._moves])
                _draw_again(self._draws)
                loss, _ = compute(run.model, batch)
                run.backward(loss)


def _draws() -> Any:
    import torch

    return torch.get_rng_state(), torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []


def _draw_again(state: Any) -> None:
    import torch

    torch.set_rng_state(state[0])
    if state[1]:
        torch.cuda.set_rng_state_all(state[1])
