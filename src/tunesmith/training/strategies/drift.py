"""How far a model in training has left its start, measured on what it wrote when training began."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.core.contracts import Decoding
from tunesmith.training.strategies.answers import (
    Answer,
    batch_of,
    device_of,
    packed,
    padding_of,
    prompts_of,
    unpacked,
)
from tunesmith.training.strategies.policy import divergence_estimate

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

PROMPTS = 16
TOKENS = 32


class Drift:
    """The divergence ``KL(start || now)`` in nats a token, by one pass over a few texts and without a second model.

    The start writes to some prompts, drawn from all its tokens; how likely it found them is kept. The estimate is k3
    (``policy.divergence_estimate``).

    Args:
        run: the loop's RunState; its weights are those of the start.
        prompts: of the training rows; ``PROMPTS`` of them are drawn.
    """

    def __init__(self, run: Any, prompts: Sequence[np.ndarray]) -> None:
        order = np.random.default_rng([run.seed, len(prompts)]).permutation(len(prompts))[:PROMPTS]
        chosen = [prompts[i] for i in order]
        asked = Decoding(max_new_tokens=TOKENS, min_new_tokens=1, temperature=1.0, seed=run.seed)
        self.texts = [Answer(p, w) for p, w in zip(chosen, written_to(run, chosen, asked), strict=True)]
        self.then = self._found(run)

    def __call__(self, run: Any) -> float:
        """The divergence now."""
        return float(divergence_estimate(self.then, self._found(run)).mean())

    def state(self) -> dict[str, Any]:
        """The texts, and how likely the start found them."""
        return {**{f"drift.{name}": tensor for name, tensor in packed(self.texts).items()}, "drift.then": self.then}

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> Drift:
        """What ``state`` returned, as it was."""
        made = cls.__new__(cls)
        made.texts = unpacked(state["drift.ids"], state["drift.lengths"])
        made.then = state["drift.then"]
        return made

    def _found(self, run: Any) -> torch.Tensor:
        from tunesmith.models.answer_likelihood import log_probabilities

        with at_rest(run):
            return log_probabilities(run.model, batch_of(self.texts, padding_of(run), device_of(run)))[0].cpu()


@contextmanager
def at_rest(run: Any) -> Iterator[None]:
    """The run's model answers in the run's precision, without dropout and without a gradient."""
    import torch

    training = run.model.training
    run.model.eval()
    try:
        with torch.no_grad(), run.autocast():
            yield
    finally:
        run.model.train(training)


def written_to(run: Any, prompts: Sequence[np.ndarray], decoding: Decoding, copies: int = 1) -> list[np.ndarray]:
    """What the run's model writes to each prompt, its end included: int32, at least one token.

    Args:
        copies: texts to each prompt, beside each other.
    """
    from tunesmith.models.decoding import written

    own = getattr(run.task, "decoding", None)
    asked = replace(decoding, ends=own.ends if own is not None else ())
    with at_rest(run):
        model = getattr(run.model, "module", run.model)
        found = written(model, prompts_of(prompts, padding_of(run), device_of(run)), asked, copies)
    return [ids.astype(np.int32) for ids in found]
