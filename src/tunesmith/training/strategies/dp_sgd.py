"""Training that no single row can be found out from: differentially private SGD (Abadi et al. 2016, algorithm 1)."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from tunesmith.core.contracts import Batch, Feature, LossFn, Method, Strategy, Task
from tunesmith.core.errors import RecipeError
from tunesmith.data.augment.apply import MARK
from tunesmith.training.optim import total_norm
from tunesmith.training.strategies.conflicts import with_gradient
from tunesmith.training.strategies.gradients import gradients
from tunesmith.training.strategies.privacy import epsilon_of, noise_for
from tunesmith.training.strategies.unlabelled import batch_of

if TYPE_CHECKING:
    import torch

EPSILON = 8.0
"""Where neither epsilon nor noise is given."""


def add_clipped(total: Sequence[torch.Tensor], gradient: Sequence[torch.Tensor | None], largest: float) -> float:
    """``total += g / max(1, ||g|| / largest)``, the norm being over all weights; returns the norm before.

    Args:
        total: one tensor a weight.
        gradient: of one row; None where a weight has no part in its loss.
        largest: norm (C).
    """
    norm = float(total_norm([g for g in gradient if g is not None]))
    for own, g in zip(total, gradient, strict=True):
        if g is not None:
            own.add_(g, alpha=1 / max(1.0, norm / largest))
    return norm


def noisy_mean(
    total: Sequence[torch.Tensor], spread: float, rows: float, generator: torch.Generator | None
) -> list[torch.Tensor]:
    """``(total + N(0, spread^2)) / rows``.

    Args:
        total: the sum of the rows' clipped gradients, one tensor a weight.
        spread: sigma times C.
        rows: how many a draw has on average (L).
        generator: on the CPU; None: the run's own.
    """
    import torch

    return [
        (own + spread * torch.randn(own.shape, generator=generator, dtype=own.dtype).to(own.device)) / rows
        for own in total
    ]


def units(features: Sequence[Feature]) -> list[list[int]]:
    """The features of each row, by their places: a long text has several. What stands for no row is one of its own."""
    found: dict[tuple[int, int], list[int]] = {}
    for i, feature in enumerate(features):
        row = feature["row"]
        found.setdefault((row, 0) if row >= 0 else (-1, i), []).append(i)
    return list(found.values())


class DpSgd(Strategy):
    """Each row's gradient is clipped by itself, and the sum gets noise: what is learned hardly depends on one row.

    The loop's batches are not looked at: at each of its steps a Poisson sample of the training rows is drawn in their
    place, as the accountant presumes. Each row is a pass of its own.

    Args:
        epsilon: what may be lost over the whole run; the noise is chosen by it. 8 where noise is not given.
        noise: instead of epsilon: the noise's standard deviation in units of ``max_norm`` (sigma).
        max_norm: longest gradient of a row (C).
        delta: chance with which more may be lost; None: one over the number of rows.
        secret: draw rows and noise by the system's randomness; False: by the run's seed, which the bundle tells, so
            that the noise can be taken away again. For tests and benchmarks.
    """

    name: ClassVar[str] = "dp_sgd"
    summary: ClassVar[str] = "no training row can be found out: clipped gradients and noise (Abadi et al. 2016)"

    def __init__(
        self,
        epsilon: Annotated[float, Field(gt=0)] | None = None,
        noise: Annotated[float, Field(ge=0)] | None = None,
        max_norm: Annotated[float, Field(gt=0)] = 1.0,
        delta: Annotated[float, Field(gt=0, lt=1)] | None = None,
        secret: bool = True,
    ) -> None:
        self.epsilon = epsilon
        self.noise = noise
        self.max_norm = max_norm
        self.delta = delta
        self.secret = secret
        self.draws = 0
        """Sums that were given away."""
        self._run: Any = None
        self._units: list[list[int]] = []
        self._sigma, self._rate, self._delta = 0.0, 0.0, 0.0
        self._generator: torch.Generator | None = None

    def fits(self, task: Task, method: Method) -> str | None:
        """Rows whose losses are their own, and weights of which all are moved by noise."""
        if find_spec("opacus") is None:
            return 'it counts epsilon by opacus, which is not installed: pip install "tunesmith[privacy]".'
        if self.epsilon is not None and self.noise is not None:
            return "epsilon and noise are given; one follows from the other."
        if task.name == "text-embedding":
            return "the loss of text-embedding compares the rows of a batch, so no row has a gradient of its own."
        if task.name == "mixture":
            return "the rows of a mixture are drawn part by part, which the accountant does not count."
        if method.name == "full":
            return (
                "method=full trains the table of embeddings, of which only the tokens of the training rows would move: "
                "that alone tells what was in them. Take method=head, bitfit, adapter or lora."
            )
        return None

    def prepare(self, run: Any) -> None:
        """Refuse rows that were made of other rows.

        Raises:
            RecipeError: ``data.augment`` has added some.
        """
        if any(MARK in row for row in run.rows):
            raise RecipeError(
                'training.strategies: "dp_sgd" guards each row, and data.augment learns a row several times.',
                "Leave data.augment out.",
            )

    def start(self, run: Any) -> None:
        """Count the rows, and choose the noise.

        Raises:
            RecipeError: the embeddings are trained, or several processes train.
        """
        import torch

        if torch.distributed.is_available() and torch.distributed.is_initialized():
            raise RecipeError('training.strategies: "dp_sgd" trains in one process.', "Start it on one device.")
        if run.embedding_is_trained():
            raise RecipeError(
                'training.strategies: "dp_sgd" cannot train the table of embeddings: which rows move tells which '
                "tokens the training rows have.",
                "Take method=head, bitfit, adapter or lora.",
            )
        self._run, self._units = run, units(run.features)
        self._rate = min(1.0, run.batch_size / len(run.features))
        self._delta = self.delta or 1 / len(self._units)
        most = run.total_steps * run.accumulate
        self._sigma = (
            self.noise if self.noise is not None
            else noise_for(self.epsilon or EPSILON, self._rate, most, self._delta)
        )  # fmt: skip
        if self.secret:
            self._generator = torch.Generator().manual_seed(secrets.randbits(63))

    def loss(self, compute: LossFn) -> LossFn:
        """The mean loss of a sample, with the noisy gradient."""

        def guarded(model: Any, batch: Batch) -> tuple[torch.Tensor, Any]:
            return (self._of_sample(compute, model, batch), None) if model.training else compute(model, batch)

        return guarded

    def _of_sample(self, compute: LossFn, model: Any, like: Batch) -> torch.Tensor:
        import torch

        weights = list(self._run.trained().values())
        total = [torch.zeros_like(w) for w in weights]
        losses = []
        for batch in self._drawn(like):
            loss, _ = compute(model, batch)
            add_clipped(total, gradients(self._run, loss, weights), self.max_norm)
            losses.append(loss.detach())
        self.draws += 1
        rows = self._rate * len(self._units)
        gradient = noisy_mean(total, self._sigma * self.max_norm, rows, self._generator)
        mean = torch.stack(losses).mean() if losses else torch.zeros((), device=weights[0].device)
        return with_gradient(mean, weights, gradient)

    def _drawn(self, like: Batch) -> Iterator[Batch]:
        """The batches of the rows of a Poisson sample, one a row; the run's indices are those of the row meanwhile."""
        import torch

        run, whole = self._run, self._run.indices
        chosen = torch.rand(len(self._units), generator=self._generator) < self._rate
        try:
            for i in chosen.nonzero().flatten().tolist():
                run.indices = self._units[i]
                yield batch_of(run, [run.features[place] for place in run.indices], like)
        finally:
            run.indices = whole

    def spent(self) -> float:
        """Epsilon so far."""
        return epsilon_of(self._sigma, self._rate, self.draws, self._delta)

    def facts(self) -> dict[str, Any]:
        """What a row may have lost, and by what it is counted."""
        epsilon, rows = self.spent(), len(self._units)
        words = (
            f"dp_sgd: epsilon {epsilon:.3g} at delta {self._delta:.2g} for each of {rows:,} training rows "
            f"({self.draws:,} draws at a rate of {self._rate:.2g}, noise {self._sigma:.3g}, "
            f"gradients up to {self.max_norm:g})."
        )
        if not self.secret:
            words += " The noise is of the run's seed: who knows the seed can take it away."
        return {
            "epsilon": epsilon, "delta": self._delta, "noise": self._sigma, "max_norm": self.max_norm,
            "rate": self._rate, "draws": self.draws, "rows": rows, "secret": self.secret, "words": words,
        }  # fmt: skip

    def state(self) -> dict[str, Any]:
        """The count of draws, and where the secret generator stands."""
        secret = {"generator": self._generator.get_state()} if self._generator is not None else {}
        return {"draws": self.draws, **secret}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take back what ``state`` returned."""
        self.draws = int(state["draws"])
        if self._generator is not None:
            self._generator.set_state(state["generator"])
