"""What tasks with one answer a text (or a pair of texts) share: windows, padding, merging."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from tunesmith.core.contracts import Batch, Feature, Prediction, Row, Task
from tunesmith.core.errors import DataError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class TextRequest(BaseModel):
    """A text, or a pair of texts."""

    model_config = ConfigDict(extra="forbid")
    text: str = Field(min_length=1)
    text_pair: str | None = None


class SequenceTask(Task):
    """One vector of logits a text. Heads, losses and answers are the subclasses'."""

    auto_model: ClassVar[str] = "AutoModelForSequenceClassification"
    pipeline_tag: ClassVar[str] = "text-classification"
    one_vector: ClassVar[bool] = True
    target_role: ClassVar[str] = "label"

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}

    @abstractmethod
    def target(self, row: Row) -> Any:
        """What a row teaches, as a number or a list of numbers."""

    @abstractmethod
    def answer(self, logits: np.ndarray) -> Prediction:
        """One row's prediction from its logits [outputs]."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what ``learn`` returned."""
        self.state = dict(state)

    @property
    def labels(self) -> list[str]:
        """Class names in the order of the logits."""
        return list(self.state.get("labels", []))

    def encode(
        self, rows: Sequence[Row], processor: PreTrainedTokenizerBase, *, max_length: int, targets: bool
    ) -> list[Feature]:
        """Windows of each row, with its target on each of them."""
        from tunesmith.tasks.windows import windows

        texts = [_text(row, i) for i, row in enumerate(rows)]
        pairs = [row.get("text_pair") for row in rows]
        features = windows(texts, pairs if any(pairs) else None, processor, max_length)
        if targets:
            wanted = self.targets(rows)
            for feature in features:
                feature["target"] = wanted[feature["row"]]
        return features

    def targets(self, rows: Sequence[Row]) -> list[Any]:
        """What the rows teach; DataError where one has no target."""
        for i, row in enumerate(rows):
            required(row, self.target_role, i)
        return [self.target(row) for row in rows]

    def collate(self, features: Sequence[Feature], processor: PreTrainedTokenizerBase) -> Batch:
        """``input_ids``, ``attention_mask`` [features, longest], ``labels`` where there are targets."""
        batch = padded(features, processor)
        if features and "target" in features[0]:
            batch["labels"] = np.asarray([feature["target"] for feature in features])
        return batch

    def decode(self, outputs: Sequence[np.ndarray], features: Sequence[Feature]) -> list[Prediction]:
        """The answer to the mean of a row's windows, each weighted by its length."""
        return [self.answer(logits) for logits, _ in self.merged(outputs, features)]

    def merged(
        self, outputs: Sequence[np.ndarray], features: Sequence[Feature]
    ) -> Iterator[tuple[np.ndarray, list[Feature]]]:
        """Each row's logits [outputs], and its windows."""
        both = zip(features, outputs, strict=True)
        for _, group in groupby(both, key=lambda pair: pair[0]["row"]):
            members = list(group)
            weights = [max(1, len(feature["input_ids"])) for feature, _ in members]
            logits = np.average([logits for _, logits in members], axis=0, weights=weights)
            yield logits, [feature for feature, _ in members]

    def request_model(self) -> type[BaseModel]:
        """A text, or a pair."""
        return TextRequest


def padded(features: Sequence[Feature], processor: PreTrainedTokenizerBase) -> Batch:
    """The features' ids, padded on the right to the longest.

    Returns:
        ``input_ids`` and ``attention_mask``, int64 [features, longest]; ``token_type_ids`` where the model has them.
    """
    longest = max(1, *(len(feature["input_ids"]) for feature in features))
    ids = np.full((len(features), longest), padding_id(processor), dtype=np.int64)
    mask = np.zeros_like(ids)
    kinds = np.zeros_like(ids) if "token_type_ids" in features[0] else None
    for i, feature in enumerate(features):
        length = len(feature["input_ids"])
        ids[i, :length] = feature["input_ids"]
        mask[i, :length] = 1
        if kinds is not None:
            kinds[i, :length] = feature["token_type_ids"]
    batch = {"input_ids": ids, "attention_mask": mask}
    if kinds is not None:
        batch["token_type_ids"] = kinds
    return batch


def padding_id(processor: PreTrainedTokenizerBase) -> int:
    """What fills short rows: a causal model without an id for it uses its end-of-text, as ``models.build`` tells it."""
    chosen = processor.pad_token_id if processor.pad_token_id is not None else processor.eos_token_id
    return int(chosen or 0)


def required(row: Row, role: str, index: int) -> Any:
    """A row's value, or an error that says which row (counted from 1) lacks it."""
    value = row.get(role)
    if value is None:
        raise DataError(f'Row {index + 1} has no "{role}".', "Give every row one, or leave the row out.")
    return value


def _text(row: Row, index: int) -> str:
    return str(required(row, "text", index))
