"""Vectors that do not tell their domain: domain-adversarial training (Ganin et al. 2016)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from tunesmith.training.strategies.two_domains import TwoDomains

if TYPE_CHECKING:
    import torch


def strength(progress: float, gamma: float = 10.0) -> float:
    """``2 / (1 + exp(-gamma * progress)) - 1`` (section 5.2): 0 at the start, so that the classifier learns first.

    >>> [round(strength(p), 3) for p in (0.0, 0.1, 0.5, 1.0)]
    [0.0, 0.462, 0.987, 1.0]
    """
    return 2 / (1 + math.exp(-gamma * progress)) - 1


def reversed_gradient(vectors: torch.Tensor, strength: float) -> torch.Tensor:
    """The vectors, bit for bit; their gradient comes back times ``-strength`` (section 4.2)."""
    return vectors.detach() - strength * (vectors - vectors.detach())


def domain_loss(logits: torch.Tensor, source: int) -> torch.Tensor:
    """Cross-entropy of "is it the target?", each domain's mean, summed: a scalar (section 4.2).

    Args:
        logits: the source's rows, then the target's, [rows].
        source: how many are the source's.
    """
    from torch.nn.functional import softplus

    return softplus(logits[:source]).mean() + softplus(-logits[source:]).mean()


class Dann(TwoDomains):
    """A small network learns to tell both domains apart, and the backbone to leave it nothing to tell them by.

    It reads the vectors that the output layer reads. Its own weights are in the run's optimizer and in no bundle.

    Args:
        path: rows of the target domain, without labels.
        rows: instead of a file.
        columns: role -> column of the file; others are guessed.
        weight: of the reversed gradient at the end of the run. The paper's lambda goes to 1; with AdamW on tiny models
            that ruined the source, so it is less here, which was not tuned on real ones.
        gamma: how soon it gets there.
        hidden: units of the domain classifier's one hidden layer.
        rate: its learning rate; the run's schedule is on it, too.
        ratio: rows of the target for each training row.
    """

    name: ClassVar[str] = "dann"
    summary: ClassVar[str] = "vectors do not tell their domain (Ganin et al. 2016)"

    def __init__(
        self,
        path: str = "",
        rows: list[dict[str, Any]] | None = None,
        columns: dict[str, str] | None = None,
        weight: Annotated[float, Field(ge=0)] = 0.1,
        gamma: Annotated[float, Field(gt=0)] = 10.0,
        hidden: Annotated[int, Field(ge=1)] = 100,
        rate: Annotated[float, Field(gt=0)] = 1e-3,
        ratio: Annotated[float, Field(gt=0)] = 1.0,
    ) -> None:
        super().__init__(path, rows, columns, weight, ratio)
        self.gamma = gamma
        self.hidden = hidden
        self.rate = rate
        self.classifier: Any = None
        """Of domains."""

    def start(self, run: Any) -> None:
        """Make the domain classifier, and have the run's optimizer move it."""
        import torch

        from tunesmith.models.heads import output_layer

        read = output_layer(run.model).weight
        with torch.random.fork_rng(devices=[]):  # what the run draws stays what it was
            torch.manual_seed(run.seed)
            layers = torch.nn.Linear(read.shape[1], self.hidden), torch.nn.ReLU(), torch.nn.Linear(self.hidden, 1)
        self.classifier = torch.nn.Sequential(*layers).to(read.device)
        run.optimizer.add_param_group({"params": list(self.classifier.parameters()), "lr": self.rate})

    def apart(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """The domain classifier's loss, which the backbone is to raise."""
        import torch

        now = self.weight * strength(self.run.step / max(1, self.run.total_steps), self.gamma)
        read = reversed_gradient(torch.cat([source, target]), now)
        return domain_loss(self.classifier(read).squeeze(-1), len(source))

    def state(self) -> dict[str, Any]:
        """The domain classifier; its moments are with the optimizer's."""
        return {name: weight.detach() for name, weight in self.classifier.state_dict().items()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take it back."""
        self.classifier.load_state_dict(state)
