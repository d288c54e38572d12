"""What domain adaptation shares: labelled rows of one domain, and rows without labels of another."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from tunesmith.core.contracts import Batch, Feature, LossFn, Method, Row, Strategy, Task
from tunesmith.training.strategies import needs
from tunesmith.training.strategies.head_inputs import head_inputs, of_texts
from tunesmith.training.strategies.unlabelled import batch_of, drawn, encoded, missing, unlabelled_rows

if TYPE_CHECKING:
    import torch


class TwoDomains(Strategy):
    """Each batch of the source, the training rows, is joined by drawn rows of the target; subclasses compare both.

    Args:
        path: rows of the target; labels that they have are not looked at.
        rows: instead of a file.
        columns: role -> column of the file; others are guessed.
        weight: of what draws both together; 0: the strategy does nothing.
        ratio: rows of the target for each row of the source.
    """

    def __init__(
        self,
        path: str,
        rows: list[dict[str, Any]] | None,
        columns: dict[str, str] | None,
        weight: float,
        ratio: float,
    ) -> None:
        self.path = path
        self.rows = rows
        self.columns = columns or {}
        self.weight = weight
        self.ratio = ratio
        self.run: Any = None
        self._rows: list[Row] = []
        self._target: list[Feature] = []

    def fits(self, task: Task, method: Method) -> str | None:
        """A backbone that can learn, texts with a vector each, and rows of the target."""
        return needs.backbone(method) or needs.text_vector(task) or missing(self.path, self.rows)

    @abstractmethod
    def apart(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """What is added to the loss, a scalar; of the vectors that the output layer reads, fp32 [rows, width] each."""

    def prepare(self, run: Any) -> None:
        """Read the rows."""
        self.run = run
        self._rows = unlabelled_rows(run.task, self.path, self.rows, self.columns, self.name)

    def data(self, features: list[Feature]) -> list[Feature]:
        """Encode them; the training features stay as they are."""
        self._target = encoded(self.run, self._rows, features)
        return features

    def loss(self, compute: LossFn) -> LossFn:
        """The loss of the source, and how far the target is apart; of what is computed within, the first pass is the
        source's.
        """

        def both(model: Any, batch: Batch) -> tuple[torch.Tensor, Any]:
            if not (model.training and self.weight):
                return compute(model, batch)
            with head_inputs(model) as read:
                loss, outputs = compute(model, batch)
            source = of_texts(read[0], batch["attention_mask"])
            return loss + self.apart(source, self._drawn(model, batch)), outputs

        return both

    def _drawn(self, model: Any, batch: Batch) -> torch.Tensor:
        run = self.run
        some = drawn(run, len(self._target), max(1, round(self.ratio * (len(run.indices) or run.batch_size))))
        target = batch_of(run, [self._target[i] for i in some], batch)
        with head_inputs(model) as read:
            run.task.forward(model, target)
        return of_texts(read[0], target["attention_mask"])
