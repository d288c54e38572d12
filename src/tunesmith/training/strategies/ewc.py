"""Weights that old rows need move less: elastic weight consolidation (Kirkpatrick et al. 2017)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from tunesmith.core.contracts import Batch, Feature, LossFn, Method, Strategy, Task
from tunesmith.models.tensors import tensors
from tunesmith.training.strategies.gradients import gradients
from tunesmith.training.strategies.protected import lacking, protected_features, protected_rows

if TYPE_CHECKING:
    import torch


def fisher(run: Any, features: Sequence[Feature]) -> dict[str, torch.Tensor]:
    """The diagonal of the empirical Fisher information: the mean square of each feature's gradient, by weight."""
    import torch

    weights = run.trained()
    found = {name: torch.zeros_like(w) for name, w in weights.items()}
    training = run.model.training
    run.model.eval()
    for feature in features:
        batch = tensors(run.task.collate([feature], run.processor), _device(run))
        loss = run.task.loss(run.task.forward(run.model, batch), batch)
        each = gradients(run, loss, list(weights.values()))
        for total, gradient in zip(found.values(), each, strict=True):
            if gradient is not None:
                total.addcmul_(gradient, gradient, value=1 / len(features))
    run.model.train(training)
    return found


def scaled(information: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same with a mean of 1 over all weights, so that a strength means the same for every model and task."""
    total = sum(float(f.sum()) for f in information.values())
    mean = total / max(1, sum(f.numel() for f in information.values()))
    return {name: f / mean if mean > 0 else f for name, f in information.items()}


def penalty(
    weights: Mapping[str, torch.Tensor],
    start: Mapping[str, torch.Tensor],
    information: Mapping[str, torch.Tensor],
    strength: float,
) -> torch.Tensor:
    """``strength / 2 * sum_i F_i (w_i - w0_i)^2`` (eq. 3): a scalar."""
    terms = [(information[name] * (w - start[name]).square()).sum() for name, w in weights.items()]
    return strength / 2 * sum(terms[1:], terms[0])


class Ewc(Strategy):
    """A model that was tuned before learns new rows; what the old ones need is held.

    Args:
        path: file of old rows.
        rows: instead of a file.
        strength: lambda, of a Fisher information whose mean is 1: as l2_sp's alpha.
        examples: features of the old rows that the information is taken from, at most.
        columns: role -> column of the file; others are guessed.
    """

    name: ClassVar[str] = "ewc"
    summary: ClassVar[str] = "weights that old rows need move less (Kirkpatrick et al. 2017)"
    protects: ClassVar[bool] = True

    def __init__(
        self,
        path: str = "",
        rows: list[dict[str, Any]] | None = None,
        strength: Annotated[float, Field(ge=0)] = 0.1,
        examples: Annotated[int, Field(ge=1)] = 200,
        columns: dict[str, str] | None = None,
    ) -> None:
        self.path = path
        self.rows = rows
        self.strength = strength
        self.examples = examples
        self.columns = columns or {}
        self._old: list[Feature] = []
        self._start: dict[str, torch.Tensor] = {}
        self._information: dict[str, torch.Tensor] = {}

    def fits(self, task: Task, method: Method) -> str | None:
        """With rows to protect."""
        return lacking(task, self.path, self.rows)

    def prepare(self, run: Any) -> None:
        """Read and encode the old rows."""
        rows = protected_rows(run.task, self.path, self.rows, self.columns, self.name)
        self._old = protected_features(run, rows)

    def start(self, run: Any) -> None:
        """Keep the weights, and measure what the old rows need of them; a resumed run begins here, too."""
        import numpy as np

        chosen = np.random.default_rng(run.seed).permutation(len(self._old))[: self.examples]
        self._start = {name: p.detach().clone() for name, p in run.trained().items()}
        self._information = scaled(fisher(run, [self._old[i] for i in chosen]))

    def after_backward(self, run: Any, batch: Batch, compute: LossFn) -> None:
        """Add the penalty's gradient."""
        run.backward(penalty(run.trained(), self._start, self._information, self.strength))


def _device(run: Any) -> Any:
    return next(iter(run.model.parameters())).device
