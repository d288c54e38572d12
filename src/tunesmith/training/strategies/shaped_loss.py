"""Cross-entropy in its usual shapes: easy decisions count less, targets are soft, classes have weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tunesmith.core.contracts import Batch, LossFn, Method, Strategy, Task
from tunesmith.models.tensors import tensors
from tunesmith.training.strategies import needs
from tunesmith.training.strategies.decisions import Decisions, decisions

if TYPE_CHECKING:
    import torch


def shaped(
    made: Decisions, *, gamma: float = 0.0, smoothing: float = 0.0, weights: torch.Tensor | None = None
) -> torch.Tensor:
    """The mean of ``-sum_c w_c y_c (1 - p_c)^gamma log p_c``: a scalar.

    Args:
        gamma: of the focal loss (Lin et al. 2017, eq. 4 and 5); 0: plain.
        smoothing: share of the target that all classes get alike (Szegedy et al. 2016, eq. 7).
        weights: of the classes, [classes]; the mean is weighed by those of the wanted ones.
    """
    import torch

    logits, wanted = made.logits, made.wanted
    if not len(logits):
        return logits.sum()
    legal = (logits > torch.finfo(torch.float32).min / 2).to(wanted.dtype)
    target = (1 - smoothing) * wanted + smoothing * legal / legal.sum(-1, keepdim=True)
    log_p = torch.log_softmax(logits, dim=-1).masked_fill(legal == 0, 0.0)
    terms = target * log_p
    if gamma:
        terms = terms * (1 - log_p.exp()).clamp(min=1e-8) ** gamma
    if weights is None:
        return -terms.sum(-1).mean()
    return -(terms * weights).sum() / (wanted * weights).sum()


def class_weights(counts: torch.Tensor, power: float) -> torch.Tensor:
    """``counts ** -power``, with a mean of 1 over all decisions; a class without any has the weight 0. [classes]."""
    import torch

    there = counts > 0
    raw = torch.where(there, counts.clamp(min=1).float() ** -power, torch.zeros(()))
    found: torch.Tensor = raw * counts.sum() / (raw * counts).sum()
    return found


class ShapedLoss(Strategy):
    """Takes the place of a task's loss; subclasses name the shape.

    Args:
        gamma: see ``shaped``.
        smoothing: see ``shaped``.
        power: see ``class_weights``; 0: no weights.
    """

    def __init__(self, gamma: float = 0.0, smoothing: float = 0.0, power: float = 0.0) -> None:
        self.gamma = gamma
        self.smoothing = smoothing
        self.power = power
        self._task: Any = None
        self._weights: Any = None

    def fits(self, task: Task, method: Method) -> str | None:
        """Tasks with classes; to weigh them, the same ones in every row."""
        return needs.counted_classes(task) if self.power else needs.classes(task)

    def start(self, run: Any) -> None:
        """Count the classes, where they are weighed."""
        self._task = run.task
        if self.power:
            self._weights = class_weights(counts(run), self.power)

    def loss(self, compute: LossFn) -> LossFn:
        """The shaped loss of the same outputs; of several kinds of decisions, each weighs as much as it has."""

        def instead(model: Any, batch: Batch) -> tuple[torch.Tensor, Any]:
            _, outputs = compute(model, batch)
            found = decisions(self._task, outputs, batch)
            total = sum(len(made.logits) for made in found)
            losses = [self._shaped(made) * (len(made.logits) / max(1, total)) for made in found]
            return sum(losses[1:], losses[0]), outputs

        return instead

    def _shaped(self, made: Decisions) -> torch.Tensor:
        weights = None if self._weights is None else self._weights.to(made.logits.device)
        return shaped(made, gamma=self.gamma, smoothing=self.smoothing, weights=weights)


def counts(run: Any) -> torch.Tensor:
    """How often each class is wanted in the training features: [classes]."""
    import torch

    width = int(run.model.config.num_labels)
    found: torch.Tensor | None = None
    for start in range(0, len(run.features), 256):
        batch = tensors(run.task.collate(run.features[start : start + 256], run.processor))
        for made in decisions(run.task, _zeros(run.task, batch, width), batch):
            here = made.wanted.sum(0)
            found = here if found is None else found + here
    return torch.zeros(width) if found is None else found


def _zeros(task: Task, batch: Batch, width: int) -> Any:
    """Outputs of the shape that a model would give."""
    from types import SimpleNamespace

    import torch

    per_token = task.auto_model.endswith("ForTokenClassification")
    # A frozen backbone's batches are vectors, and have no tokens.
    shape = batch["input_ids"].shape if per_token else batch["labels"].shape[:1]
    return SimpleNamespace(logits=torch.zeros(*shape, width), start_logits=None)
