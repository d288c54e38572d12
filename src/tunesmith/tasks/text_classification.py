"""One of several classes for a text or a pair of texts: sentiment, topic, intent, entailment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, Field

from tunesmith.core.contracts import Batch, Column, Evidence, Feature, Prediction, Row
from tunesmith.core.errors import DataError, did_you_mean
from tunesmith.models.output_names import name_outputs
from tunesmith.tasks.calibrated.calibrated import Calibrated, Wanted, calibrate
from tunesmith.tasks.grown import CALIBRATED
from tunesmith.tasks.sequence import SequenceTask, required

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig

UNEVEN = 3.0
"""From this ratio of the largest class to the smallest on, ``class_weights: auto`` weighs the loss."""


class ClassPrediction(BaseModel):
    """The likeliest class, its probability, and those of all."""

    label: str
    score: float
    scores: dict[str, float]


class CalibratedPrediction(ClassPrediction):
    """With what it is worth, as learned on validation rows."""

    candidates: list[str]
    """Labels of which one is right as often as was asked for, the likeliest first; none where nothing fits."""
    abstain: bool
    """Whether it is not to be taken."""
    human: str
    """Why a person should look: "unsure", "out of scope"; empty where nobody need."""
    strange: float
    """How unlike the rows of its own the text is."""


class TextClassification(SequenceTask):
    """One label a text.

    Args:
        class_weights: "balanced" weighs each class by the inverse root of its share, "auto" does so where the
            largest class has three times the rows of the smallest or more.
        label_smoothing: mass moved from the true class to all (Szegedy et al. 2016, eq. 7).
    """

    name: ClassVar[str] = "text-classification"
    summary: ClassVar[str] = "one of several classes for a text or a pair of texts"
    columns: ClassVar[tuple[Column, ...]] = (
        Column("text"),
        Column("text_pair", required=False),
        Column("label", "label", target=True),
    )
    one_class: ClassVar[bool] = True
    metrics: ClassVar[tuple[str, ...]] = ("macro_f1", "accuracy", "mcc", "log_loss", "ece")

    def __init__(
        self,
        class_weights: Literal["auto", "balanced", "none"] = "auto",
        label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0,
    ) -> None:
        super().__init__()
        self.class_weights = class_weights
        self.label_smoothing = label_smoothing
        self._index: dict[str, int] = {}
        self._weights: Any = None
        self._trained_on: dict[str, float] | None = None
        self._calibrated: Calibrated | None = None

    def learn(self, rows: Iterable[Row]) -> dict[str, Any]:
        """The classes, in order, and the number of rows of each."""
        counts = Counter(str(required(row, "label", i)) for i, row in enumerate(rows))
        if len(counts) < 2:
            found = f'only "{next(iter(counts))}"' if counts else "none"
            raise DataError(
                f"A classifier needs at least two classes in its training rows; the label column has {found}.",
                "Choose another column with data.label=COLUMN, or add rows of another class.",
            )
        labels = sorted(counts, key=_order)
        self.restore({"labels": labels, "counts": [counts[label] for label in labels]})
        return self.state

    def restore(self, state: Any) -> None:
        """Take back what ``learn`` returned."""
        super().restore(state)
        self._index = {label: i for i, label in enumerate(self.labels)}
        self._weights = None
        known = self.state.get(CALIBRATED)
        self._calibrated = Calibrated.from_json(known) if known else None

    def weigh(self, counts: Mapping[str, float]) -> None:
        """Weigh the loss by these rows of each class, and not by all that it has ever met.

        A task that learns on knows of rows that it is no longer trained on: they may weigh nothing in the loss.
        """
        self._trained_on, self._weights = dict(counts), None

    def check(self, rows: Sequence[Row]) -> None:
        """All labels must be known."""
        for row in rows:
            self.target(row)

    def configure(self, config: PretrainedConfig) -> None:
        """Class names into the config."""
        name_outputs(config, self.labels)
        config.problem_type = "single_label_classification"

    def target(self, row: Row) -> int:
        """The class's index."""
        label = str(row["label"])
        if label not in self._index:
            raise DataError(
                f'The label "{label}" is in no training row. {did_you_mean(label, self.labels)[:300]}',
                "Mend the label, leave the row out, or train with rows of that class.",
            )
        return self._index[label]

    def loss(self, outputs: Any, batch: Batch) -> torch.Tensor:
        """Cross-entropy in fp32."""
        from torch.nn.functional import cross_entropy

        logits = outputs.logits.float()
        return cross_entropy(
            logits, batch["labels"], weight=self._class_weights(logits), label_smoothing=self.label_smoothing
        )

    def divergence(self, outputs: Any, others: Any) -> torch.Tensor:
        """Symmetric Kullback-Leibler divergence, the mean over rows."""
        from torch.nn.functional import kl_div, log_softmax

        one, other = (log_softmax(o.logits.float(), dim=-1) for o in (outputs, others))
        there = kl_div(one, other, reduction="batchmean", log_target=True)
        back = kl_div(other, one, reduction="batchmean", log_target=True)
        return (there + back) / 2

    def _class_weights(self, logits: torch.Tensor) -> torch.Tensor | None:
        import torch

        of_all, known = self.state["counts"], self._trained_on
        counts = np.array(of_all if known is None else [known.get(label, 0) for label in self.labels], dtype=np.float64)
        present = counts[counts > 0]
        if self.class_weights == "none" or (self.class_weights == "auto" and present.max() < UNEVEN * present.min()):
            return None
        if self._weights is None:
            self._weights = torch.as_tensor(weights_of(counts), dtype=torch.float32)
        return self._weights.to(logits.device)  # type: ignore[no-any-return]

    def answer(self, logits: np.ndarray) -> Prediction:
        """Softmax over the classes."""
        shifted = np.exp(logits - logits.max())
        probabilities = shifted / shifted.sum()
        best = int(probabilities.argmax())
        scores = {label: float(p) for label, p in zip(self.labels, probabilities, strict=True)}
        return {"label": self.labels[best], "score": float(probabilities[best]), "scores": scores}

    def decode(self, outputs: Sequence[np.ndarray], features: Sequence[Feature]) -> list[Prediction]:
        """The answer to the mean of a row's windows; where it was calibrated, with what it is worth."""
        known, labels = self._calibrated, self.labels
        if known is None:
            return super().decode(outputs, features)
        return [
            known.answer(logits, [window["input_ids"] for window in windows], labels)
            for logits, windows in self.merged(outputs, features)
        ]

    def calibrate(
        self,
        rows: Sequence[Row],
        outputs: Sequence[np.ndarray],
        features: Sequence[Feature],
        trained: Sequence[Feature],
        wanted: Wanted,
    ) -> Calibrated:
        """Learn on validation rows what answers are worth; it is kept in the state.

        Args:
            rows: with labels.
            outputs: of their features.
            features: theirs, in order.
            trained: features of training rows, for what usual texts are made of.
            wanted: what is asked of answers.
        """
        found = list(self.merged(outputs, features))
        by_row = [[f["input_ids"] for f in some] for _, some in groupby(trained, key=lambda f: f["row"])]
        learned = calibrate(
            np.stack([logits for logits, _ in found]),
            np.array(self.targets(rows), dtype=np.int64),
            [[window["input_ids"] for window in windows] for _, windows in found],
            by_row,
            wanted,
        )
        self.state[CALIBRATED] = learned.to_json()
        # As a bundle will read it: what is kept is rounded, and answers must be the same before and after.
        self._calibrated = Calibrated.from_json(self.state[CALIBRATED])
        return self._calibrated

    def evidence(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Evidence:
        """``label``, ``predicted``: int [rows]; ``probabilities``: [rows, classes]."""
        return {
            "label": np.array(self.targets(rows), dtype=np.int64),
            "predicted": np.array([self._index[p["label"]] for p in predictions], dtype=np.int64),
            "probabilities": np.array([list(p["scores"].values()) for p in predictions], dtype=np.float64),
        }

    def response_model(self) -> type[BaseModel]:
        """Label, score, scores; where it was calibrated, what they are worth."""
        return CalibratedPrediction if self._calibrated else ClassPrediction


def weights_of(counts: np.ndarray) -> np.ndarray:
    """The inverse root of each class's count, 1 on average over rows; 1 for a class without rows. [classes].

    The root, because full inverse weights let a class of three rows shake the whole model.

    >>> weights_of(np.array([400.0, 100.0, 0.0])).round(3).tolist()
    [0.833, 1.667, 1.0]
    """
    raw = 1 / np.sqrt(np.maximum(counts, 1e-9))
    weights: np.ndarray = np.where(counts > 0, raw * counts.sum() / (raw * counts).sum(), 1.0)
    return weights


def _order(label: str) -> tuple[int, float, str]:
    """Numbers by value, then words."""
    try:
        return (0, float(label), label)
    except ValueError:
        return (1, 0.0, label)
