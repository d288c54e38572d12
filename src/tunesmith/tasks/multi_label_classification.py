"""Any number of labels a text: tags, topics, kinds of toxicity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from pydantic import BaseModel, Field

from tunesmith.core.contracts import Batch, Column, Evidence, Prediction, Row
from tunesmith.core.errors import DataError, did_you_mean
from tunesmith.models.output_names import name_outputs
from tunesmith.tasks.sequence import SequenceTask, required

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig


class LabelsPrediction(BaseModel):
    """The labels over the threshold, and the probabilities of all."""

    labels: list[str]
    scores: dict[str, float]


class MultiLabelClassification(SequenceTask):
    """A set of labels a text; each label is its own yes or no.

    Args:
        threshold: probability from which on a label is given.
    """

    name: ClassVar[str] = "multi-label-classification"
    summary: ClassVar[str] = "any number of labels for a text"
    target_role: ClassVar[str] = "labels"
    columns: ClassVar[tuple[Column, ...]] = (
        Column("text"),
        Column("text_pair", required=False),
        Column("labels", "labels", target=True),
    )
    metrics: ClassVar[tuple[str, ...]] = ("micro_f1", "macro_f1", "subset_accuracy", "macro_average_precision")

    def __init__(self, threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5) -> None:
        super().__init__()
        self.threshold = threshold

    def learn(self, rows: Iterable[Row]) -> dict[str, Any]:
        """The labels, in order, and the number of rows of each."""
        counts: Counter[str] = Counter()
        for i, row in enumerate(rows):
            counts.update({str(label) for label in required(row, "labels", i)})
        if not counts:
            raise DataError("No training row has a label.", "Choose the column with data.labels=COLUMN.")
        labels = sorted(counts)
        self.restore({"labels": labels, "counts": [counts[label] for label in labels]})
        return self.state

    def check(self, rows: Sequence[Row]) -> None:
        """All labels must be known."""
        for row in rows:
            self.target(row)

    def configure(self, config: PretrainedConfig) -> None:
        """Label names into the config."""
        name_outputs(config, self.labels)
        config.problem_type = "multi_label_classification"

    def target(self, row: Row) -> list[float]:
        """One 0 or 1 a label."""
        given = {str(label) for label in row["labels"]}
        unknown = sorted(given - set(self.labels))
        if unknown:
            near = did_you_mean(unknown[0], self.labels)[:300]
            raise DataError(f'The label "{unknown[0]}" is in no training row. {near}', "Mend it, or leave the row out.")
        return [float(label in given) for label in self.labels]

    def loss(self, outputs: Any, batch: Batch) -> torch.Tensor:
        """Binary cross-entropy, the mean over labels."""
        from torch.nn.functional import binary_cross_entropy_with_logits

        return binary_cross_entropy_with_logits(outputs.logits.float(), batch["labels"].float())

    def divergence(self, outputs: Any, others: Any) -> torch.Tensor:
        """Symmetric Kullback-Leibler divergence of each label's yes and no, summed over labels."""
        one, other = outputs.logits.float(), others.logits.float()
        # KL(p||q) + KL(q||p) of two Bernoullis is (p - q)(logit p - logit q).
        apart: torch.Tensor = ((one.sigmoid() - other.sigmoid()) * (one - other)).sum(-1).mean() / 2
        return apart

    def answer(self, logits: np.ndarray) -> Prediction:
        """A sigmoid for each label."""
        probabilities = 1 / (1 + np.exp(-np.clip(logits, -60, 60)))
        scores = {label: float(p) for label, p in zip(self.labels, probabilities, strict=True)}
        return {"labels": [label for label, p in scores.items() if p >= self.threshold], "scores": scores}

    def evidence(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Evidence:
        """``labels``, ``predicted_labels``: bool [rows, labels]; ``probabilities``: [rows, labels]."""
        probabilities = np.array([list(p["scores"].values()) for p in predictions], dtype=np.float64)
        return {
            "labels": np.array(self.targets(rows), dtype=bool),
            "predicted_labels": probabilities >= self.threshold,
            "probabilities": probabilities,
        }

    def response_model(self) -> type[BaseModel]:
        """Labels and scores."""
        return LabelsPrediction
