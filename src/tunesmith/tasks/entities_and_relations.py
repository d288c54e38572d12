"""Entities and the relations between them, by one model: first the spans, then each pair of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import BaseModel

from tunesmith.core.contracts import Batch, Column, Evidence, Feature, Prediction, Row, Runtime, Task
from tunesmith.models.output_names import name_outputs
from tunesmith.tasks.marked import marker_ids
from tunesmith.tasks.pairs import Tokens, marked_pair, nearest, on_characters, on_pieces
from tunesmith.tasks.related import NONE, Found, with_relations, word_spans
from tunesmith.tasks.related import relation_evidence as counted
from tunesmith.tasks.sequence import padded, required
from tunesmith.tasks.token_classification import IGNORED, SpanAnswer, TokenClassification
from tunesmith.tasks.token_windows import Pieces

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

MARKERS = 4
"""Tokens that a marked pair has more than its window."""
TOGETHER = 64
"""Pairs that are computed together."""


class RelationAnswer(BaseModel):
    """A relation; head and tail are numbers of spans, from 0."""

    head: int
    tail: int
    label: str
    score: float


class JointPrediction(BaseModel):
    """The spans in order, the relations between them, and how likely all of the spans are right."""

    spans: list[SpanAnswer]
    relations: list[RelationAnswer]
    score: float


class EntitiesAndRelations(TokenClassification):
    """Spans by tags; then each pair of them, marked in the text, by the states of both markers.

    That is the pipeline of Zhong & Chen 2021 ("A Frustratingly Easy Approach for Entity and Relation Extraction")
    with one encoder instead of two: the head of token classification has outputs for tags, and two for each relation
    (see ``relation_extraction``). Training has a window once for its tags, and once for each pair of its entities.
    """

    name: ClassVar[str] = "entities-and-relations"
    summary: ClassVar[str] = "entities in a text and the relations between them"
    columns: ClassVar[tuple[Column, ...]] = (
        Column("text"),
        Column("words", "spans", required=False),
        Column("spans", "spans", target=True),
        Column("relations", "any", target=True),
    )
    same_classes: ClassVar[bool] = False
    metrics: ClassVar[tuple[str, ...]] = (
        "relation_micro_f1", "relation_macro_f1", "micro_f1", "precision", "recall", "accuracy",
    )  # fmt: skip

    def __init__(self) -> None:
        super().__init__(nested="off")
        self._markers: list[int] = []

    @property
    def relations(self) -> list[str]:
        """The relations; the first one is none."""
        return list(self.state.get("relations", [NONE]))

    @property
    def _tags(self) -> int:
        return len(self._layers[0].names)

    def learn(self, rows: Iterable[Row]) -> dict[str, Any]:
        """The labels of spans, and the relations."""
        rows = list(rows)
        state = super().learn(rows)
        labels = {relation["label"] for i, row in enumerate(rows) for relation in required(row, "relations", i)}
        self.restore({**state, "relations": [NONE, *sorted(labels)]})
        return self.state

    def configure(self, config: PretrainedConfig) -> None:
        """The tags' names into the config, and two outputs a relation."""
        super().configure(config)
        read = [f"{side}: {name}" for side in ("head", "tail") for name in self.relations]
        names = [*self._layers[0].names, *read]
        name_outputs(config, names)

    def encode(
        self, rows: Sequence[Row], processor: PreTrainedTokenizerBase, *, max_length: int, targets: bool
    ) -> list[Feature]:
        """Windows of each row; where there are targets, each is followed by its pairs of entities."""
        windows = super().encode(rows, processor, max_length=max_length - MARKERS, targets=targets)
        if not targets:
            return windows
        self._markers = marker_ids(processor, MARKERS)
        features: list[Feature] = []
        seen: set[tuple[int, int, int]] = set()
        for window in windows:
            features += [window, *self._pairs(rows[window["row"]], window, seen)]
        return features

    def _pairs(self, row: Row, window: Feature, seen: set[tuple[int, int, int]]) -> Iterator[Feature]:
        """The pairs of entities in a window that no window before it has had."""
        first, last = window["window"]
        shift = window["lead"] - first
        tokens = [on_pieces(span, window["pieces"]) for span in row["spans"]]
        inside = [i for i, (start, end) in enumerate(tokens) if first <= start < end <= last]
        places = [(tokens[i][0] + shift, tokens[i][1] + shift) for i in inside]
        told = {(relation["head"], relation["tail"]): relation["label"] for relation in row["relations"]}
        index = {name: i for i, name in enumerate(self.relations)}
        for one, other in nearest(places):
            pair = (window["row"], inside[one], inside[other])
            if pair in seen:
                continue
            seen.add(pair)
            label = index.get(told.get(pair[1:], NONE), IGNORED)
            yield self._pair(window, places[one], places[other], label)

    def _pair(self, window: Feature, head: Tokens, tail: Tokens, label: int) -> Feature:
        ids, opened = marked_pair(window["input_ids"], head, tail, self._markers)
        target = np.full((len(ids), 1), IGNORED, dtype=np.int64)
        if label != IGNORED:
            target[list(opened), 0] = [self._tags + label, self._tags + len(self.relations) + label]
        feature: Feature = {"row": window["row"], "input_ids": ids, "target": target, "pair": True}
        if "token_type_ids" in window:
            feature["token_type_ids"] = np.full(len(ids), window["token_type_ids"][0], dtype=np.int8)
        return feature

    def collate(self, features: Sequence[Feature], processor: PreTrainedTokenizerBase) -> Batch:
        """Padded ids; ``labels`` int64 [features, longest, 2]: each token's output, and the number of its word.

        Pairs have no words, so that no entities are looked for in them.
        """
        self._markers = marker_ids(processor, MARKERS)
        batch = padded(features, processor)
        labels = np.full((*batch["input_ids"].shape, 2), IGNORED, dtype=np.int64)
        for i, feature in enumerate(features):
            if "target" in feature:
                labels[i, : len(feature["target"]), 0] = feature["target"][:, 0]
            if "pair" not in feature:
                first, last = feature["window"]
                labels[i, feature["lead"] : feature["lead"] + last - first, 1] = feature["pieces"].word[first:last]
        return {**batch, "labels": labels}

    def scored(self, outputs: Any, batch: Batch) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Logits in fp32 and classes of the tags [tokens, tags], and of the pairs' relations [pairs, relations]."""
        logits, target = outputs.logits.float(), batch["labels"][..., 0]
        tags, heads = self._tags, self._tags + len(self.relations)
        tagged, tails = (target >= 0) & (target < tags), target >= heads
        headed = (target >= tags) & ~tails
        summed = logits[headed][:, tags:heads] + logits[tails][:, heads:]
        return [(logits[tagged][:, :tags], target[tagged]), (summed, target[headed] - tags)]

    def loss(self, outputs: Any, batch: Batch) -> torch.Tensor:
        """Cross-entropy of the tags, plus that of the pairs' relations, in fp32."""
        from torch.nn.functional import cross_entropy

        total: torch.Tensor = outputs.logits.float().sum() * 0
        for logits, target in self.scored(outputs, batch):
            if len(target):
                total = total + cross_entropy(logits, target)
        return total

    def divergence(self, outputs: Any, others: Any) -> torch.Tensor:
        """None: windows and pairs differ in what is read of them."""
        return Task.divergence(self, outputs, others)

    def infer(self, runtime: Runtime, batch: Batch) -> list[np.ndarray]:
        """The tokens' outputs, and under them a line for each pair of the entities found among them.

        Returns:
            [tokens + pairs, outputs]; a pair's line has the first token and the token after the last of its head
            and of its tail, then a logit a relation.
        """
        logits = runtime.forward({key: value for key, value in batch.items() if key != "labels"})["logits"]
        words, ids = batch["labels"], batch["input_ids"]
        lengths = batch["attention_mask"].sum(axis=1)
        asked: list[tuple[int, Tokens, Tokens]] = []
        for i, length in enumerate(lengths):
            found = word_spans(logits[i, :length, : self._tags], words[i, :length, 1], self._layers[0])
            asked += [(i, found[one], found[other]) for one, other in nearest(found)]
        lines: list[list[np.ndarray]] = [[] for _ in lengths]
        for start in range(0, len(asked), TOGETHER):
            part = asked[start : start + TOGETHER]
            pairs = [marked_pair(ids[i, : lengths[i]], head, tail, self._markers) for i, head, tail in part]
            for (i, head, tail), scores in zip(part, self._read(runtime, batch, pairs), strict=True):
                line = np.zeros(logits.shape[-1], dtype=np.float32)
                line[: MARKERS + len(scores)] = [*head, *tail, *scores]
                lines[i].append(line)
        return [np.concatenate([logits[i, :n], *(line[None] for line in lines[i])]) for i, n in enumerate(lengths)]

    def comparable(self, one: np.ndarray, other: np.ndarray, feature: Feature) -> tuple[np.ndarray, np.ndarray]:
        """The tokens' outputs: which pairs are asked follows from the entities that are found."""
        tokens = len(feature["input_ids"])
        return one[:tokens], other[:tokens]

    def _read(self, runtime: Runtime, batch: Batch, pairs: Sequence[tuple[np.ndarray, Tokens]]) -> np.ndarray:
        """The relations' logits of marked pairs: [pairs, relations]."""
        longest = max(len(ids) for ids, _ in pairs)
        inputs = {"input_ids": np.zeros((len(pairs), longest), dtype=np.int64)}
        inputs["attention_mask"] = np.zeros_like(inputs["input_ids"])
        if "token_type_ids" in batch:
            inputs["token_type_ids"] = np.full_like(inputs["input_ids"], int(batch["token_type_ids"][0, 0]))
        for i, (ids, _) in enumerate(pairs):
            inputs["input_ids"][i, : len(ids)] = ids
            inputs["attention_mask"][i, : len(ids)] = 1
        logits = runtime.forward(inputs)["logits"]
        rows, opened = np.arange(len(pairs)), np.array([places for _, places in pairs])
        heads = self._tags + len(self.relations)
        read: np.ndarray = logits[rows, opened[:, 0], self._tags : heads] + logits[rows, opened[:, 1], heads:]
        return read

    def decode(self, outputs: Sequence[np.ndarray], features: Sequence[Feature]) -> list[Prediction]:
        """The spans of each row, and the relations between them."""
        both = [(feature, array) for feature, array in zip(features, outputs, strict=True) if "pair" not in feature]
        found: dict[int, Found] = {feature["row"]: {} for feature, _ in both}
        for feature, array in both:
            for line in array[len(feature["input_ids"]) :]:
                self._add(found[feature["row"]], line, feature)
        tokens = [array[: len(feature["input_ids"]), : self._tags] for feature, array in both]
        spans = super().decode(tokens, [feature for feature, _ in both])
        return [with_relations(one, pairs, self.relations) for one, pairs in zip(spans, found.values(), strict=True)]

    def _add(self, found: Found, line: np.ndarray, feature: Feature) -> None:
        pieces: Pieces = feature["pieces"]
        shift = feature["window"][0] - feature["lead"]
        ends = [int(n) + shift for n in line[:MARKERS]]
        pair = (on_characters((ends[0], ends[1]), pieces), on_characters((ends[2], ends[3]), pieces))
        found.setdefault(pair, []).append(line[MARKERS : MARKERS + len(self.relations)])

    def evidence(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Evidence:
        """Evidence of the spans, of which a row is right with its relations only; and ``relation_counts``."""
        spans = super().evidence(rows, predictions)
        true = [(row["spans"], required(row, "relations", i)) for i, row in enumerate(rows)]
        given = [(prediction["spans"], prediction["relations"]) for prediction in predictions]
        return counted(spans, true, given, self.relations)

    def response_model(self) -> type[BaseModel]:
        """Spans and relations."""
        return JointPrediction
