"""Self-training: the model's own sure answers on rows without labels are learned as if they were labels (Lee 2013)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from tunesmith.core.contracts import Batch, Feature, LossFn, Method, Prediction, Row, Strategy, Task
from tunesmith.training.strategies.unlabelled import batch_of, drawn, encoded, missing, unlabelled_rows

if TYPE_CHECKING:
    import torch

TARGETS = {"text-classification": "label", "multi-label-classification": "labels", "token-classification": "spans"}
"""Tasks whose prediction holds what a row would teach, under the same word."""
MOST = 1.5
"""With ``balance``, a class has at most so many times its share of the labelled rows."""


def sureness(prediction: Prediction) -> float:
    """The probability of the answer; of several labels, that of the least sure one."""
    if "labels" in prediction:
        return min((max(p, 1 - p) for p in prediction["scores"].values()), default=0.0)
    return float(prediction["score"])


def chosen(predictions: Sequence[Prediction], threshold: float, shares: Mapping[str, float] | None = None) -> list[int]:
    """Which answers are taken for labels: those that are sure enough, the surest of a class that has too many.

    Args:
        threshold: the least sureness.
        shares: class -> its share of the labelled rows (class balance, after Zou et al. 2018); None: no balance.
    """
    sure = [i for i, prediction in enumerate(predictions) if sureness(prediction) >= threshold]
    if shares is None:
        return sure
    most = {label: math.ceil(MOST * share * len(sure)) for label, share in shares.items()}
    kept = []
    for i in sorted(sure, key=lambda i: -sureness(predictions[i])):
        label = predictions[i]["label"]
        if most.get(label, 0) > 0:
            most[label] -= 1
            kept.append(i)
    return sorted(kept)


class PseudoLabels(Strategy):
    """After each epoch the model answers the rows without labels; the sure answers stand beside the labels in the next.

    Each batch is joined by as many of these rows, drawn anew, whose loss counts ``weight``.

    Args:
        path: rows without labels.
        rows: instead of a file.
        columns: role -> column of the file; others are guessed.
        threshold: the least probability of an answer that is taken.
        balance: whether a class may have at most 1.5 times its share of the labelled rows.
        weight: of the loss on such rows.
        start: epochs before the first answers are taken.
    """

    name: ClassVar[str] = "pseudo_labels"
    summary: ClassVar[str] = "sure answers on rows without labels are learned as labels (Lee 2013)"

    def __init__(
        self,
        path: str = "",
        rows: list[dict[str, Any]] | None = None,
        columns: dict[str, str] | None = None,
        threshold: Annotated[float, Field(gt=0, le=1)] = 0.9,
        balance: bool = True,
        weight: Annotated[float, Field(ge=0)] = 0.5,
        start: Annotated[int, Field(ge=1)] = 1,
    ) -> None:
        self.path = path
        self.rows = rows
        self.columns = columns or {}
        self.threshold = threshold
        self.balance = balance
        self.weight = weight
        self.start_epoch = start
        self._run: Any = None
        self._rows: list[Row] = []
        self._features: list[Feature] = []
        self._targets: dict[int, Any] = {}
        self._pool: list[Feature] = []
        self._taught: Sequence[Row] = []

    def fits(self, task: Task, method: Method) -> str | None:
        """For tasks whose answer is what a row would teach; rows without labels must be given."""
        if task.name not in TARGETS:
            return f"an answer of {task.name} cannot be taken for a label. It is for {', '.join(TARGETS)}."
        return missing(self.path, self.rows)

    def prepare(self, run: Any) -> None:
        """Read the rows."""
        self._run = run
        self._rows = unlabelled_rows(run.task, self.path, self.rows, self.columns, self.name)

    def data(self, features: list[Feature]) -> list[Feature]:
        """Encode the rows; the training features stay as they are."""
        self._features = encoded(self._run, self._rows, features)
        return features

    def on_epoch(self, run: Any) -> None:
        """Answer the rows anew, and take what is sure."""
        if run.epoch + 1 < self.start_epoch:
            return
        predictions = answered(run, self._features)
        taken = chosen(predictions, self.threshold, self._shares(run.task))
        role = TARGETS[run.task.name]
        self._take({i: predictions[i][role] for i in taken})

    def loss(self, compute: LossFn) -> LossFn:
        """The loss, and ``weight`` times that of as many rows with taken answers."""

        def both(model: Any, batch: Batch) -> tuple[torch.Tensor, Any]:
            loss, outputs = compute(model, batch)
            if not (model.training and self._pool and self.weight):
                return loss, outputs
            some = drawn(self._run, len(self._pool), len(self._run.indices) or self._run.batch_size)
            features = [self._pool[i] for i in some]
            self._run.brought = [self._taught[feature["row"]] for feature in features]
            try:
                more, _ = compute(model, batch_of(self._run, features, batch))
            finally:
                self._run.brought = None
            return loss + self.weight * more, outputs

        return both

    def state(self) -> dict[str, Any]:
        """The answers that are taken."""
        return {"targets": [[i, target] for i, target in self._targets.items()]}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take them back."""
        self._take({int(i): target for i, target in state["targets"]})

    def _shares(self, task: Any) -> dict[str, float] | None:
        if not self.balance or TARGETS[task.name] != "label":
            return None
        counts = task.state["counts"]
        return {label: count / sum(counts) for label, count in zip(task.labels, counts, strict=True)}

    def _take(self, targets: dict[int, Any]) -> None:
        """A class or several are a number on each of a row's features; spans are laid on its tokens anew."""
        task = self._run.task
        self._targets, role = targets, TARGETS[task.name]
        rows = [{**self._rows[i], role: target} for i, target in targets.items()]
        if role == "spans":
            self._pool, self._taught = self._run.encode(rows) if rows else [], rows
            return
        self._taught = self._rows
        numbers = dict(zip(targets, task.targets(rows), strict=True))
        self._pool = [{**f, "target": numbers[f["row"]]} for f in self._features if f["row"] in numbers]


def answered(run: Any, features: Sequence[Feature]) -> list[Prediction]:
    """The model's answers as it is now."""
    from tunesmith.bundle.predictor import Predictor
    from tunesmith.bundle.runtimes.torch import TorchRuntime

    predictor = Predictor(run.task, run.processor, TorchRuntime(run.model), max_length=1)  # the length is encode's
    found: list[Prediction] = run.task.decode(predictor.infer(features), features)
    return found
