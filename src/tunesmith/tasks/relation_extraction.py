"""Which relation two given entities of a text have, and in which direction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from tunesmith.core.contracts import Batch, Column, Evidence, Feature, Prediction, Row, Runtime, Task
from tunesmith.core.errors import DataError, did_you_mean
from tunesmith.data.shapes.relation_extraction import RelationShape
from tunesmith.data.shapes.shape import RowProblem
from tunesmith.models.output_names import name_outputs
from tunesmith.tasks.relations import NONE_NAMES, numbers_only, relation_types, type_counts
from tunesmith.tasks.sequence import padded, required

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

SIDES = ("head", "tail")
READ = len(SIDES)
"""Places that the head reads: the opening markers of the head entity and of the tail entity."""
UNTOLD = -100
"""The class of a row whose relation is not told."""
SHOWN = 10
"""Relations whose probabilities a prediction tells, the likeliest first."""


class Place(BaseModel):
    """An entity in the text."""

    start: int
    end: int
    text: str


class RelationPrediction(BaseModel):
    """The likeliest relation, its probability, and those of the ten likeliest."""

    head: Place
    relation: str
    tail: Place
    score: float
    scores: dict[str, float]


class RelationRequest(BaseModel):
    """A text and two entities in it; with ``<e1>..</e1>`` and ``<e2>..</e2>`` in the text, it alone."""

    model_config = ConfigDict(extra="forbid")
    text: str = Field(min_length=1)
    head: str | list[int] | dict[str, Any] | None = None
    tail: str | list[int] | dict[str, Any] | None = None


class RelationExtraction(Task):
    """The relation of two marked entities, from the states of both markers (Baldini Soares et al. 2019).

    The head is that of token classification with two outputs a relation: the first is read at the head entity's
    marker, the second at the tail entity's, and their sum is the relation's logit.

    Args:
        none_label: the label that means "no relation", which the F1 of relations leaves out; "auto" knows the
            usual ones (Other, no_relation, NA, unknown ...; 0 beside labels in words), null: there is none.
    """

    name: ClassVar[str] = "relation-extraction"
    summary: ClassVar[str] = "the relation between two given entities of a text"
    columns: ClassVar[tuple[Column, ...]] = (
        Column("text"),
        Column("head", "any", required=False),
        Column("tail", "any", required=False),
        Column("label", "label", target=True),
    )
    auto_model: ClassVar[str] = "AutoModelForTokenClassification"
    pipeline_tag: ClassVar[str] = "token-classification"
    metrics: ClassVar[tuple[str, ...]] = ("relation_macro_f1", "relation_micro_f1", "accuracy", "ece")
    pooled: ClassVar[bool] = False

    def __init__(self, none_label: str | int | None = "auto") -> None:
        self.none_label = str(none_label) if isinstance(none_label, int) else none_label
        self.state: dict[str, Any] = {}
        self._index: dict[str, int] = {}

    @property
    def labels(self) -> list[str]:
        """The relations, "no relation" among them."""
        return list(self.state.get("labels", []))

    @property
    def notes(self) -> list[str]:
        """What was taken for "no relation", in words."""
        none = self.state.get("none")
        if self.none_label != "auto":
            return []
        if none is None:
            numbered = "0" in self.labels and numbers_only(self.labels)
            why = 'All labels are numbers, so "0" is taken for a relation; where it means none: task.none_label=0.'
            return [why] if numbered else []
        return [f'"{none}" is taken to mean that there is no relation (else: task.none_label=null).']

    def learn(self, rows: Iterable[Row]) -> dict[str, Any]:
        """The relations and the rows of each, the one that means none, and whether entities have kinds."""
        counts: Counter[str] = Counter()
        kinds = False
        for i, row in enumerate(rows):
            counts[str(required(row, "label", i))] += 1
            kinds = kinds or any(isinstance(row.get(side), Mapping) and row[side].get("label") for side in SIDES)
        if len(counts) < 2:
            raise DataError(
                f"At least two relations are needed in the training rows; there is {', '.join(counts) or 'none'}.",
                "Choose another column with data.label=COLUMN, or add rows of another relation.",
            )
        labels = sorted(counts)
        none = self._none_of(labels)
        self.restore({"labels": labels, "counts": [counts[label] for label in labels], "none": none, "kinds": kinds})
        return self.state

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what ``learn`` returned."""
        self.state = dict(state)
        self._index = {label: i for i, label in enumerate(self.labels)}

    def _none_of(self, labels: Sequence[str]) -> str | None:
        if self.none_label == "auto":
            known = NONE_NAMES - {"0"} if numbers_only(labels) else NONE_NAMES
            return next((label for label in labels if label.strip().lower() in known), None)
        if self.none_label is not None and self.none_label not in labels:
            near = did_you_mean(self.none_label, labels)[:300]
            raise DataError(
                f'task.none_label is "{self.none_label}", which no training row has. {near}',
                "Name one of the labels; task.none_label=null where all of them are relations.",
            )
        return self.none_label

    def check(self, rows: Sequence[Row]) -> None:
        """All relations must be known."""
        for i, row in enumerate(rows):
            self._class(row, i)

    def configure(self, config: PretrainedConfig) -> None:
        """Two outputs a relation."""
        names = [f"{side}: {label}" for side in SIDES for label in self.labels]
        name_outputs(config, names)

    def encode(
        self, rows: Sequence[Row], processor: PreTrainedTokenizerBase, *, max_length: int, targets: bool
    ) -> list[Feature]:
        """One feature a row: the tokens around both entities, which are marked."""
        from tunesmith.tasks.marked import frame, marked, marker_ids, near

        read = [self._read(row, i) for i, row in enumerate(rows)]
        classes = [self._class(row, i) if targets else UNTOLD for i, row in enumerate(rows)]
        entities = [[row[side] for side in SIDES] for row in read]
        before, after = frame(processor)
        markers = marker_ids(processor, 2 * READ)
        texts = marked([row["text"] for row in read], entities, processor, kinds=self.state["kinds"])
        features: list[Feature] = []
        for i, (row, text) in enumerate(zip(read, texts, strict=True)):
            text = near(text, markers, max_length - len(before) - len(after))
            ids = np.asarray([*before, *text.ids, *after], dtype=np.int32)
            feature: Feature = {"row": i, "input_ids": ids, "read": [len(before) + place for place in text.opened]}
            if "token_type_ids" in processor.model_input_names:
                feature["token_type_ids"] = np.zeros(len(ids), dtype=np.int8)
            feature.update({side: _shown(row["text"], row[side]) for side in SIDES})
            feature.update({"target": classes[i]} if targets else {})
            features.append(feature)
        return features

    def _read(self, row: Row, index: int) -> dict[str, Any]:
        """The row as its shape gives it, whichever way it is spelled."""
        try:
            return next(RelationShape().read({**row, "label": None}, target=False))
        except RowProblem as problem:
            raise DataError(
                f"Row {index + 1}: {problem}.",
                "Mark both entities in the text with <e1>..</e1> and <e2>..</e2>, or give head and tail: names that "
                "are in the text, or places [start, end].",
            ) from problem

    def _class(self, row: Row, index: int) -> int:
        label = str(required(row, "label", index))
        if label not in self._index:
            raise DataError(
                f'The label "{label}" is in no training row. {did_you_mean(label, self.labels)[:300]}',
                "Mend the label, leave the row out, or train with rows of that relation.",
            )
        return self._index[label]

    def collate(self, features: Sequence[Feature], processor: PreTrainedTokenizerBase) -> Batch:
        """Padded ids; ``labels`` int64 [features, 3] are both places that are read, and the class or ``UNTOLD``."""
        batch = padded(features, processor)
        told = [[*feature["read"], feature.get("target", UNTOLD)] for feature in features]
        batch["labels"] = np.asarray(told, dtype=np.int64)
        return batch

    def scored(self, outputs: Any, batch: Batch) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Logits [features, relations] in fp32, and the class [features] or ``UNTOLD``."""
        logits = outputs.logits.float()
        places, rows = batch["labels"][:, :READ], range(len(logits))
        sides = logits.unflatten(-1, (READ, -1))
        summed = sum(sides[rows, places[:, side], side] for side in range(READ))
        return [(summed, batch["labels"][:, READ])]

    def loss(self, outputs: Any, batch: Batch) -> torch.Tensor:
        """Cross-entropy over relations, in fp32."""
        from torch.nn.functional import cross_entropy

        return cross_entropy(*self.scored(outputs, batch)[0], ignore_index=UNTOLD)

    def infer(self, runtime: Runtime, batch: Batch) -> list[np.ndarray]:
        """One logit a relation."""
        logits = runtime.forward({key: value for key, value in batch.items() if key != "labels"})["logits"]
        sides = logits.reshape(*logits.shape[:2], READ, -1)
        places, rows = batch["labels"], np.arange(len(logits))
        return list(sum(sides[rows, places[:, side], side] for side in range(READ)))

    def decode(self, outputs: Sequence[np.ndarray], features: Sequence[Feature]) -> list[Prediction]:
        """Softmax over the relations."""
        return [self._answer(logits, feature) for logits, feature in zip(outputs, features, strict=True)]

    def _answer(self, logits: np.ndarray, feature: Feature) -> Prediction:
        shifted = np.exp(logits - logits.max())
        probabilities = shifted / shifted.sum()
        likeliest = np.argsort(-probabilities, kind="stable")[:SHOWN]
        best = int(likeliest[0])
        return {
            "head": feature["head"],
            "relation": self.labels[best],
            "tail": feature["tail"],
            "score": float(probabilities[best]),
            "scores": {self.labels[i]: float(probabilities[i]) for i in likeliest},
        }

    def evidence(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Evidence:
        """Structured evidence, and ``relation_counts`` float32 [n, 3 m]: see ``relations.type_counts``."""
        labels, k = self.labels, len(self.labels)
        true = np.array([self._class(row, i) for i, row in enumerate(rows)], dtype=np.int64)
        predicted = np.array([self._index[p["relation"]] for p in predictions], dtype=np.int64)
        one, other = (np.equal(found[:, None], np.arange(k)).astype(np.float32) for found in (true, predicted))
        return {
            "hit": true == predicted,
            "confidence": np.array([p["score"] for p in predictions]),
            "true": np.array([labels[i] for i in true], dtype=object),
            "predicted_as": np.array([labels[i] for i in predicted], dtype=object),
            "class_counts": np.concatenate([one * other, one, other], axis=1),
            "relation_counts": type_counts(true, predicted, relation_types(labels, self.state["none"])),
        }

    def request_model(self) -> type[BaseModel]:
        """A text and its two entities."""
        return RelationRequest

    def response_model(self) -> type[BaseModel]:
        """Head, relation, tail, score, scores."""
        return RelationPrediction


def _shown(text: str, entity: Mapping[str, Any]) -> dict[str, Any]:
    start, end = entity["start"], entity["end"]
    return {"start": start, "end": end, "text": text[start:end]}
