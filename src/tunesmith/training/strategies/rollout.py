"""Answers that a model in training wrote to a batch of prompts, and what each is worth beside the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.training.strategies.answers import Answer, packed, unpacked

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Rollout:
    """Written answers that teach something.

    Args:
        answers: behind their prompts.
        advantages: of each answer, fp32 [answers].
        then: log-probabilities of all written tokens when they were written, those of an answer beside each other, fp32
            [tokens].
        written: how many answers were written in all, those that teach nothing included.
    """

    answers: list[Answer]
    advantages: torch.Tensor
    then: torch.Tensor
    written: int

    @property
    def counts(self) -> list[int]:
        """Written tokens of each answer."""
        return [len(answer.written) for answer in self.answers]

    def state(self, prefix: str) -> dict[str, Any]:
        """For a checkpoint."""
        tensors = {**packed(self.answers), "advantages": self.advantages, "then": self.then}
        return {**{f"{prefix}.{name}": value for name, value in tensors.items()}, f"{prefix}.written": self.written}

    @classmethod
    def of_state(cls, state: Mapping[str, Any], prefix: str) -> Rollout:
        """What ``state`` returned."""
        answers = unpacked(state[f"{prefix}.ids"], state[f"{prefix}.lengths"])
        return cls(answers, state[f"{prefix}.advantages"], state[f"{prefix}.then"], int(state[f"{prefix}.written"]))


def instructive(
    prompts: Sequence[np.ndarray], written: Sequence[np.ndarray], advantages: torch.Tensor, *, all_of_them: bool
) -> tuple[list[Answer], torch.Tensor]:
    """Answers with their advantages [answers]: those of groups that differ, or all.

    Args:
        prompts: of each answer.
        advantages: [groups, answers].
        all_of_them: whether those without an advantage are learned from, too (they may be held near the start).
    """
    flat = advantages.flatten()
    kept = [i for i in range(len(written)) if all_of_them or float(flat[i]) != 0]
    return [Answer(prompts[i], written[i]) for i in kept], flat[kept]
