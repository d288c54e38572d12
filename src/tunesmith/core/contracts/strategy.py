"""How it is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, ClassVar

from tunesmith.core.contracts.rows import Batch, Evidence, Feature, Prediction, Row

if TYPE_CHECKING:
    import torch

    from tunesmith.core.contracts.method import Method
    from tunesmith.core.contracts.predictor import PredictorLike
    from tunesmith.core.contracts.task import Task

LossFn = Callable[[Any, Batch], "tuple[torch.Tensor, Any]"]
"""(model, batch) -> (scalar loss, the model's outputs)."""


class Strategy:
    """How it is trained: a plain object that wraps positions of the one loop. Every position does nothing here.

    Which strategies go before which, and which exclude each other, is data: ``training/strategies/order.py``.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    training: ClassVar[Mapping[str, Any]] = {}
    """What we tuned for this strategy, over the task's and the method's defaults: names of MethodDefaults, for any
    method; or a method's name with such a mapping, for that method. A recipe's own value always wins."""
    reads: tuple[str, ...] = ()
    """Roles of the training rows that it needs beside the task's own; the recipe must name their columns. Of
    "desirable|rejected" one is enough."""
    choosing: ClassVar[tuple[str, ...]] = ()
    """Metrics of what ``validate`` gives; the first chooses the best checkpoint, in the place of the task's."""
    metrics: ClassVar[tuple[str, ...]] = ()
    """Metrics of what ``judge`` gives, reported beside the task's."""
    imitates: ClassVar[bool] = True
    """Whether the rows' own targets are learned beside it."""
    protects: ClassVar[bool] = False
    """Whether its rows (``path``, ``rows``) are those that must not be forgotten: ``learn`` hands them over."""
    new_tokens: ClassVar[bool] = False
    """Whether it trains on texts with tokens that the features do not have, so that every row of the table of
    embeddings must be there to be moved."""

    @property
    def roles(self) -> set[str]:
        """What it may read of a row: ``reads``, one by one."""
        return {one for role in self.reads for one in role.split("|")}

    def fits(self, task: Task, method: Method) -> str | None:
        """Why it cannot be used for this task or beside this method, in words; None where it can. Nothing is loaded."""
        return None

    def adapt(self, task: Task) -> None:
        """The task knows its tokenizer, and nothing is measured yet: what it must know of this strategy."""

    def prepare(self, run: Any) -> None:
        """Before ``data``: ``run`` has the model, the task and how rows are encoded; nothing is made ready yet."""

    def start(self, run: Any) -> None:
        """Before the first step; ``run`` is the loop's RunState (model, task, optimizer, step ...).

        Weights of the strategy's own may join here, by ``run.optimizer.add_param_group``; they are kept by ``state``.
        """

    def data(self, features: list[Feature]) -> list[Feature]:
        """The training features, changed or added to."""
        return features

    def loss(self, compute: LossFn) -> LossFn:
        """Wrap the loss; the result is called once a batch."""
        return compute

    def after_backward(self, run: Any, batch: Batch, compute: LossFn) -> None:
        """The batch's gradients are there; the optimizer has not stepped."""

    def on_step(self, run: Any) -> None:
        """The optimizer has stepped."""

    def on_epoch(self, run: Any) -> None:
        """An epoch has ended, before its evaluation."""

    def validate(self, predictor: PredictorLike, rows: Sequence[Row], features: Sequence[Feature]) -> Evidence:
        """While training: evidence on the validation rows, for the metrics of ``choosing``. Only where there are some.

        Args:
            features: of the rows, targets included.
        """
        return {}

    def judge(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Evidence:
        """What it adds to the evidence of answers to test rows, before and after training, for its ``metrics``."""
        return {}

    def figures(self) -> dict[str, float]:
        """What a line of the log says of it, of the time since the last line."""
        return {}

    def measured(self, run: Any) -> AbstractContextManager[None]:
        """Around an evaluation and the keeping of its weights: those in place within are measured, and kept."""
        return nullcontext()

    def state(self) -> dict[str, Any]:
        """What must be kept for an exact resume: tensors and JSON values."""
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take back what ``state`` returned."""

    def facts(self) -> dict[str, Any]:
        """After training, what the report says of it: JSON values. ``words``, a sentence, is printed, too."""
        return {}
