"""Vectors of sentences, learned without labels: two looks at a sentence must find each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from pydantic import BaseModel, Field

from tunesmith.core.contracts import Batch, Feature, Prediction, Row, Runtime
from tunesmith.core.errors import ModelError
from tunesmith.data.batches import Drawn
from tunesmith.objectives.marks import CLAUSE, SENTENCE
from tunesmith.objectives.objective import Objective, Scores
from tunesmith.objectives.packing import Around
from tunesmith.objectives.shelf import Shelf
from tunesmith.tasks.sequence import padded, required
from tunesmith.tasks.vectors import pooled, text_vectors, unit

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

SHORTEST, LONGEST = 4, 64
"""Tokens of a sentence; a shorter one is joined to the next, of a longer one the beginning is read."""
DIGITS = 6


class VectorPrediction(BaseModel):
    """The vector of a text, of length 1."""

    vector: list[float]


class SimCSE(Objective):
    """Unsupervised SimCSE (Gao et al. 2021, section 3): a sentence twice through the model, with other dropout.

    Args:
        temperature: cosines are divided by it.
    """

    name: ClassVar[str] = "simcse"
    summary: ClassVar[str] = "vectors of sentences: two looks at one find each other among others"
    auto_model: ClassVar[str] = "AutoModel"
    pipeline_tag: ClassVar[str] = "feature-extraction"
    batch_size: ClassVar[int] = 64
    learning_rate: ClassVar[float] = 3e-5
    noisy: ClassVar[bool] = True
    bit: ClassVar[int] = SENTENCE
    vectors: ClassVar[bool] = True

    def __init__(self, temperature: Annotated[float, Field(gt=0)] = 0.05) -> None:
        super().__init__()
        self.temperature = temperature

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back how tokens become one vector, too."""
        super().restore({"pooling": "mean", **state})

    def start_from(self, reference: Any, pooling: str) -> None:
        """Pool as the original does."""
        known = reference.pooling if pooling == "auto" else pooling
        self.state = {**self.state, "pooling": known if known in ("mean", "cls") else "mean"}

    def built(self, model: Any) -> None:
        """Dropout is what two looks at a text differ by.

        Raises:
            ModelError: the model has none.
        """
        super().built(model)
        if self.noisy and not has_dropout(model):
            raise ModelError(
                f"This model ({model.config.model_type}) has no dropout, so two looks at a sentence are the same and "
                f"{self.name} has nothing to learn from.",
                "Take another model, or objective=next-clause; or set the dropout in the model's config.json to 0.1.",
            )

    def drawn(self, shelf: Shelf, processor: Any, *, max_length: int, seed: int, packed: bool = True) -> Drawn:
        """Sentences."""
        return Sentences(shelf, Around.of(processor), self.bit, min(LONGEST, max_length), seed)

    def texts_of(self, features: Sequence[Feature]) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """The texts that must find each other."""
        own = [feature["input_ids"] for feature in features]
        return own, own

    def collate(self, features: Sequence[Feature], processor: PreTrainedTokenizerBase) -> Batch:
        """First all first texts, then all second ones, [2 * features, longest]; of asked texts, each once."""
        if features and "asked" in features[0]:
            return padded(features, processor)
        first, second = self.texts_of(features)
        batch = padded([{"input_ids": ids} for ids in (*first, *second)], processor)
        same = {ids.tobytes(): i for i, ids in enumerate(second)}
        labels = np.asarray([same[ids.tobytes()] for ids in second], dtype=np.int64)  # one text twice is one text
        return {**batch, "labels": labels}

    def forward(self, model: Any, batch: Batch) -> Any:
        """``vectors`` [texts, width], short texts not padded to the length of long ones."""
        from tunesmith.models.masked_head import last_states

        plain = {key: value for key, value in batch.items() if key != "labels"}
        pooling = self.state.get("pooling", "mean")
        return SimpleNamespace(vectors=text_vectors(lambda part: last_states(model, part).states, plain, pooling))

    def similar(self, outputs: Any, batch: Batch) -> torch.Tensor:
        """[features, features]: cosines of first and second texts over the temperature."""
        from torch.nn.functional import normalize

        first, second = normalize(outputs.vectors.float(), dim=-1).chunk(2)
        found: torch.Tensor = first @ second.T / self.temperature
        # Of a text that stands there twice, only the last one counts.
        labels = batch["labels"]
        once = labels.new_zeros(len(labels), dtype=found.dtype).index_fill(0, labels, 1.0) > 0
        return found.masked_fill(~once[None], float("-inf"))

    def loss(self, outputs: Any, batch: Batch) -> torch.Tensor:
        """InfoNCE among the second texts of the batch."""
        from torch.nn.functional import cross_entropy

        return cross_entropy(self.similar(outputs, batch), batch["labels"])

    def scores(self, outputs: Any, batch: Batch) -> Scores:
        """One question a text: which of the batch's is yours?"""
        import torch

        similar, labels = self.similar(outputs, batch), batch["labels"]
        own = similar.log_softmax(-1).gather(-1, labels[:, None])[:, 0]
        return Scores(torch.arange(len(labels)), own, similar.argmax(-1) == labels)

    def encode(
        self, rows: Sequence[Row], processor: PreTrainedTokenizerBase, *, max_length: int, targets: bool
    ) -> list[Feature]:
        """What answers read: the beginning of each text."""
        texts = [str(required(row, "text", i)) for i, row in enumerate(rows)]
        found = processor(texts, truncation=True, max_length=max_length)["input_ids"] if texts else []
        return [{"row": i, "input_ids": np.asarray(ids, dtype=np.int32), "asked": True} for i, ids in enumerate(found)]

    def infer(self, runtime: Runtime, batch: Batch) -> list[np.ndarray]:
        """The vector of each text [width]."""
        states = runtime.forward(batch)["last_hidden_state"]
        return list(unit(pooled(states, batch["attention_mask"], self.state.get("pooling", "mean"))))

    def decode(self, outputs: Sequence[np.ndarray], features: Sequence[Feature]) -> list[Prediction]:
        """A vector of length 1 a text."""
        both = groupby(zip(features, outputs, strict=True), key=lambda pair: pair[0]["row"])
        return [{"vector": np.round(next(group)[1].astype(np.float64), DIGITS).tolist()} for _, group in both]

    def response_model(self) -> type[BaseModel]:
        """A vector."""
        return VectorPrediction


class Sentences(Drawn):
    """Sentences (or clauses) of a corpus: ``input_ids``, and ``next`` of the one that follows in the document.

    Args:
        bit: of ``marks``: what starts one.
        room: tokens, with those around.
    """

    def __init__(self, shelf: Shelf, around: Around, bit: int, room: int, seed: int, *, followed: bool = False) -> None:
        self.shelf, self.around, self.seed, self.room = shelf, around, seed, room - len(around)
        found: list[tuple[int, int, int, int]] = []
        covered = 0
        marks = np.asarray(shelf.marks)
        for document, (start, end) in enumerate(zip(shelf.starts.tolist(), shelf.ends.tolist(), strict=True)):
            own: list[int] = []
            for place in np.flatnonzero(marks[start:end] & bit).tolist():
                if not own or start + place - own[-1] >= SHORTEST:
                    own.append(start + place)
            bounds = [*own, end]
            texts = list(zip(bounds[:-1], bounds[1:], strict=True))
            if followed:
                found += [(a, b, d, document) for (a, b), (_, d) in zip(texts[:-1], texts[1:], strict=True)]
            else:
                found += [(a, b, b, document) for a, b in texts]
            if len(texts) > followed:
                covered += sum(min(b - a, self.room) for a, b in texts)
        self.table = np.asarray(found, dtype=np.int64).reshape(-1, 4)
        self.left_out = len(shelf.ids) - covered
        alone = "documents of one clause or sentence, and " if followed else ""
        self.left_out_why = f"{alone}what is beyond {self.room} tokens of one"
        self.lengths = np.minimum(self.table[:, 1] - self.table[:, 0], self.room).tolist()

    def __len__(self) -> int:
        """Sentences."""
        return len(self.table)

    def __getitem__(self, index: Any) -> Any:
        """One sentence."""
        if index < 0 or index >= len(self):
            raise IndexError(index)
        start, end, last, document = self.table[index].tolist()
        return {
            "row": document, "input_ids": self._ids(start, end), "next": self._ids(end, last),
            "draw": (self.seed, self.epoch, index),
        }  # fmt: skip

    def _ids(self, start: int, end: int) -> np.ndarray:
        own = np.asarray(self.shelf.ids[start : min(end, start + self.room)], dtype=np.int64)
        return np.concatenate([self.around.before, own, self.around.after]).astype(np.int32)


def has_dropout(model: Any) -> bool:
    """Whether a model in training drops anything: by its layers, or by what its configuration says."""
    import torch

    kinds = (torch.nn.Dropout, torch.nn.Dropout1d, torch.nn.Dropout2d)
    if any(isinstance(module, kinds) and module.p > 0 for module in model.modules()):
        return True
    said = {
        k: v for k, v in model.config.to_dict().items() if ("dropout" in k or "pdrop" in k) and "classifier" not in k
    }
    layers = any(isinstance(module, kinds) for module in model.modules())
    return not layers and any(isinstance(v, (int, float)) and v > 0 for v in said.values())


def bit_of(unit_name: str) -> int:
    """The mark of a unit's start."""
    return {"sentence": SENTENCE, "clause": CLAUSE}[unit_name]
