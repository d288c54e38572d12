"""A number for a text or a pair of texts: stars, price, similarity."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import BaseModel

from tunesmith.core.contracts import Batch, Column, Evidence, Prediction, Row
from tunesmith.core.errors import DataError
from tunesmith.tasks.sequence import SequenceTask, required

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig, PreTrainedModel


class NumberPrediction(BaseModel):
    """The number."""

    value: float


class TextRegression(SequenceTask):
    """A number a text, in the data's own unit."""

    name: ClassVar[str] = "text-regression"
    summary: ClassVar[str] = "a number for a text or a pair of texts"
    columns: ClassVar[tuple[Column, ...]] = (
        Column("text"),
        Column("text_pair", required=False),
        Column("label", "number", target=True),
    )
    decides: ClassVar[bool] = False
    metrics: ClassVar[tuple[str, ...]] = ("r2", "mae", "rmse", "pearson", "spearman")

    def learn(self, rows: Iterable[Row]) -> dict[str, Any]:
        """Mean and standard deviation of the numbers; training runs on the standardised ones."""
        values = np.array([_number(required(row, "label", i), i) for i, row in enumerate(rows)])
        if len(values) == 0 or float(values.std()) == 0.0:
            raise DataError(
                "A regression needs different numbers in its training rows; the label column has "
                f"{'none' if len(values) == 0 else f'only {values[0]:g}'}.",
                "Choose another column with data.label=COLUMN.",
            )
        self.restore({"mean": float(values.mean()), "deviation": float(values.std())})
        return self.state

    def configure(self, config: PretrainedConfig) -> None:
        """One output."""
        config.num_labels = 1
        config.problem_type = "regression"

    def target(self, row: Row) -> float:
        """The standardised number."""
        return (_number(row["label"], None) - float(self.state["mean"])) / float(self.state["deviation"])

    def loss(self, outputs: Any, batch: Batch) -> torch.Tensor:
        """Mean squared error of standardised numbers."""
        from torch.nn.functional import mse_loss

        return mse_loss(outputs.logits.float().squeeze(-1), batch["labels"].float())

    def divergence(self, outputs: Any, others: Any) -> torch.Tensor:
        """Mean squared difference of the standardised numbers."""
        from torch.nn.functional import mse_loss

        return mse_loss(outputs.logits.float(), others.logits.float())

    def finish(self, model: PreTrainedModel) -> None:
        """Fold mean and deviation into the head, so that the model answers in the data's unit by itself.

        The head of a causal model has no bias: there the mean stays in the task's state.
        """
        import torch

        from tunesmith.models.heads import output_layer

        layer = output_layer(model)
        mean, deviation = float(self.state["mean"]), float(self.state["deviation"])
        with torch.no_grad():
            layer.weight.mul_(deviation)
            if layer.bias is not None:
                layer.bias.mul_(deviation).add_(mean)
        self.restore({**self.state, "mean": mean if layer.bias is None else 0.0, "deviation": 1.0})

    def answer(self, logits: np.ndarray) -> Prediction:
        """The number in the data's unit."""
        return {"value": float(logits[0]) * float(self.state["deviation"]) + float(self.state["mean"])}

    def evidence(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Evidence:
        """``value``, ``predicted_value``: [rows]."""
        return {
            "value": np.array([_number(required(row, "label", i), i) for i, row in enumerate(rows)]),
            "predicted_value": np.array([p["value"] for p in predictions]),
        }

    def response_model(self) -> type[BaseModel]:
        """The number."""
        return NumberPrediction


def _number(value: Any, index: int | None) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not np.isfinite(number):
        where = "A row" if index is None else f"Row {index + 1}"
        raise DataError(f'{where} has "{value}" where a number is wanted.', "Mend it, or use task=text-classification.")
    return number
