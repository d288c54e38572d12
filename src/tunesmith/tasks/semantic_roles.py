"""Who did what to whom: the roles that the words of a sentence play for a given predicate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from tunesmith.core.contracts import Batch, Column, Evidence, Feature, Prediction, Row, Task
from tunesmith.core.errors import DataError
from tunesmith.data.shapes.semantic_roles import RolesShape
from tunesmith.data.shapes.shape import RowProblem
from tunesmith.data.tags import split_tag
from tunesmith.models.output_names import name_outputs
from tunesmith.tasks.role_tags import answer, word_tags
from tunesmith.tasks.sequence import padded, required
from tunesmith.tasks.span_evidence import span_evidence
from tunesmith.tasks.tagging import TAGGING

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

UNREAD = -100
"""The target of tokens that no tag is read at."""


class Predicate(BaseModel):
    """The predicate in the text."""

    start: int
    end: int
    text: str


class Role(BaseModel):
    """A role, and where in the text it is."""

    start: int
    end: int
    text: str
    label: str
    score: float


class RolesPrediction(BaseModel):
    """The roles of a predicate; ``score`` is the probability that all words are tagged right."""

    predicate: Predicate
    roles: list[Role]
    score: float


class RolesRequest(BaseModel):
    """A text or words, and a predicate: its place, its index among the words, or the word itself."""

    model_config = ConfigDict(extra="forbid")
    text: str | None = Field(default=None, min_length=1)
    words: list[str] | list[list[int]] | None = None
    predicate: str | int | list[int] | dict[str, Any] | None = None
    predicate_index: int | None = None


class SemanticRoles(Task):
    """Tags of words, given a predicate that is marked in the text and repeated behind it (Shi & Lin 2019).

    Behind the text stands the predicate's frame ("come.03") where the rows tell it, else its word. Rows in which
    every role is one word (the head of an argument) give tags of single words; others BIO tags.
    """

    name: ClassVar[str] = "semantic-roles"
    summary: ClassVar[str] = "the roles that words play for a given predicate: who did what to whom"
    columns: ClassVar[tuple[Column, ...]] = (
        Column("text"),
        Column("words", "any", required=False),
        Column("predicate", "any"),
        Column("roles", "spans", target=True),
    )
    auto_model: ClassVar[str] = "AutoModelForTokenClassification"
    pipeline_tag: ClassVar[str] = "token-classification"
    metrics: ClassVar[tuple[str, ...]] = ("micro_f1", "precision", "recall", "accuracy")
    pooled: ClassVar[bool] = False
    training: ClassVar[Mapping[str, Any]] = {**TAGGING, "full": {"epochs": 8}}

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}
        self._index: dict[str, int] = {}

    @property
    def labels(self) -> list[str]:
        """The roles."""
        return list(self.state.get("roles", []))

    def learn(self, rows: Iterable[Row]) -> dict[str, Any]:
        """The roles and tags of the training rows, and whether they tell frames."""
        tags: set[str] = set()
        frames = False
        for i, row in enumerate(rows):
            tags |= set(word_tags(required(row, "roles", i), row["words"]))
            frames = frames or bool(row["predicate"].get("label"))
        tags.discard("O")
        if not tags:
            raise DataError("No training row has a role.", "Choose the column of roles: data.tags=COLUMN.")
        ordered = ["O", *sorted(tags, key=lambda tag: (split_tag(tag)[1], tag))]
        roles = sorted({split_tag(tag)[1] for tag in tags})
        self.restore({"tags": ordered, "roles": roles, "frames": frames})
        return self.state

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what ``learn`` returned."""
        self.state = dict(state)
        self._index = {tag: i for i, tag in enumerate(self.state["tags"])}

    def configure(self, config: PretrainedConfig) -> None:
        """The tags into the config."""
        name_outputs(config, self.state["tags"])

    def encode(
        self, rows: Sequence[Row], processor: PreTrainedTokenizerBase, *, max_length: int, targets: bool
    ) -> list[Feature]:
        """Windows of words; each holds the predicate, marked among its words where it is one of them."""
        from tunesmith.tasks.predicate_windows import predicate_windows

        read = [self._read(row, i) for i, row in enumerate(rows)]
        features = predicate_windows(read, processor, max_length, frames=self.state["frames"])
        for feature in features:
            row = read[feature["row"]]
            feature["text"], feature["words"] = row["text"], row["words"]
            feature["predicate"] = (row["predicate"]["start"], row["predicate"]["end"])
            if targets:
                tags = word_tags(required(rows[feature["row"]], "roles", feature["row"]), row["words"])
                feature["target"] = self._target(feature, tags)
        return features

    def _read(self, row: Row, index: int) -> dict[str, Any]:
        """The row as its shape gives it, whichever way it is spelled."""
        try:
            return next(RolesShape().read({**row, "roles": None}, target=False))
        except RowProblem as problem:
            raise DataError(
                f"Row {index + 1}: {problem}.",
                'Give each row a predicate: its index among the words, its place {"start", "end"}, or its word.',
            ) from problem

    def _target(self, feature: Feature, tags: Sequence[str]) -> np.ndarray:
        """The tag of each word at its first token; a tag that training rows lack teaches nothing."""
        target = np.full(len(feature["input_ids"]), UNREAD, dtype=np.int64)
        for word, place in zip(feature["own"], feature["places"], strict=True):
            target[place] = self._index.get(tags[word], UNREAD)
        return target

    def collate(self, features: Sequence[Feature], processor: PreTrainedTokenizerBase) -> Batch:
        """Padded ids, and ``labels`` int64 [features, longest] where there are targets."""
        batch = padded(features, processor)
        if features and "target" in features[0]:
            labels = np.full(batch["input_ids"].shape, UNREAD, dtype=np.int64)
            for i, feature in enumerate(features):
                labels[i, : len(feature["target"])] = feature["target"]
            batch["labels"] = labels
        return batch

    def loss(self, outputs: Any, batch: Batch) -> torch.Tensor:
        """Cross-entropy over the tags of words, in fp32."""
        from torch.nn.functional import cross_entropy

        logits, labels = outputs.logits.float().flatten(0, 1), batch["labels"].flatten()
        summed = cross_entropy(logits, labels, ignore_index=UNREAD, reduction="sum")
        mean: torch.Tensor = summed / (labels != UNREAD).sum().clamp(min=1)
        return mean

    def decode(self, outputs: Sequence[np.ndarray], features: Sequence[Feature]) -> list[Prediction]:
        """The likeliest tag of each word; a word that stands in two windows is read where it is further inside."""
        both = zip(features, outputs, strict=True)
        return [self._answer(list(group)) for _, group in groupby(both, key=lambda pair: pair[0]["row"])]

    def _answer(self, windows: Sequence[tuple[Feature, np.ndarray]]) -> Prediction:
        text, words = windows[0][0]["text"], windows[0][0]["words"]
        logits = np.zeros((len(words), len(self.state["tags"])))
        inside = np.full(len(words), -1)
        for feature, array in windows:
            own = np.asarray(feature["own"], dtype=np.int64)
            margin = np.minimum(own - own[0], own[-1] - own)
            better = margin > inside[own]
            logits[own[better]] = array[np.asarray(feature["places"])[better]]
            inside[own[better]] = margin[better]
        shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
        sure = shifted.max(axis=1) / shifted.sum(axis=1)
        tags = [self.state["tags"][i] for i in logits.argmax(axis=1)]
        return answer(text, words, windows[0][0]["predicate"], tags, sure)

    def evidence(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Evidence:
        """Structured evidence: a role is right where its place and its label are, see ``span_evidence``."""
        true = [required(row, "roles", i) for i, row in enumerate(rows)]
        texts, scores = [str(row["text"]) for row in rows], [prediction["score"] for prediction in predictions]
        return span_evidence(texts, true, [prediction["roles"] for prediction in predictions], scores, self.labels)

    def request_model(self) -> type[BaseModel]:
        """Words or a text, and a predicate."""
        return RolesRequest

    def response_model(self) -> type[BaseModel]:
        """Predicate, roles, score."""
        return RolesPrediction
