"""The right one of a question's choices, with or without a text to read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from tunesmith.core.contracts import Batch, Column, Evidence, Feature, Prediction, Row, Runtime, Task
from tunesmith.core.errors import DataError
from tunesmith.data.shapes.multiple_choice import ChoiceShape
from tunesmith.tasks.passages import canonical, encoded, half, places_of, room_beside, shortened, slices
from tunesmith.tasks.sequence import padded

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

OVERLAP = 0.125
"""Share of a window's text that the next one repeats."""


class ChoiceRequest(BaseModel):
    """A question and its choices; the text to read, where there is one."""

    model_config = ConfigDict(extra="forbid")
    question: str = Field(min_length=1)
    choices: list[str] = Field(min_length=2)
    context: str = ""


class ChoicePrediction(BaseModel):
    """The chosen one, counted from 0, its text and probability; and those of all."""

    choice: int
    text: str
    score: float
    scores: list[float]


class MultipleChoice(Task):
    """One choice for each question; rows may have different numbers of them.

    A feature holds all choices of a row, each beside the question and a window of the text.

    Args:
        merge: how the scores of a long text's windows become one: their "max" or their "mean".
    """

    name: ClassVar[str] = "multiple-choice"
    summary: ClassVar[str] = "the right one of a question's choices, with or without a text to read"
    columns: ClassVar[tuple[Column, ...]] = (
        Column("question"),
        Column("choices", "any"),
        Column("context", required=False),
        Column("answer", "number", target=True),
    )
    auto_model: ClassVar[str] = "AutoModelForMultipleChoice"
    pipeline_tag: ClassVar[str] = "multiple-choice"
    metrics: ClassVar[tuple[str, ...]] = ("accuracy", "ece")

    def __init__(self, merge: Literal["max", "mean"] = "max") -> None:
        self.merge = merge
        self.shape = ChoiceShape()
        self.state: dict[str, Any] = {}

    def learn(self, rows: Iterable[Row]) -> dict[str, Any]:
        """The largest number of choices."""
        most = max((len(row["choices"]) for row in canonical(self.shape, list(rows), target=True)), default=0)
        if not most:
            raise DataError("There are no training rows to learn from.", "Give rows of questions with choices.")
        self.restore({"most_choices": most})
        return self.state

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what ``learn`` returned."""
        self.state = dict(state)

    def configure(self, config: PretrainedConfig) -> None:
        """One score a choice: the head is transformers' own, and has nothing to be told."""

    def encode(
        self, rows: Sequence[Row], processor: PreTrainedTokenizerBase, *, max_length: int, targets: bool
    ) -> list[Feature]:
        """A feature for each window of a row's text: ``sequences``, one a choice; ``input_ids`` is the longest."""
        read = canonical(self.shape, rows, target=targets)
        features: list[Feature] = []
        for start in range(0, len(read), 256):  # bounded: the tokenizer's own objects are large
            features += _windows(read[start : start + 256], start, processor, max_length)
        if targets:
            for feature in features:
                feature["target"] = read[feature["row"]]["answer"]
        return features

    def token_ids(self, features: Sequence[Feature]) -> np.ndarray:
        """Those of all choices."""
        every = [sequence["input_ids"] for feature in features for sequence in feature["sequences"]]
        return np.unique(np.concatenate(every))

    def collate(self, features: Sequence[Feature], processor: PreTrainedTokenizerBase) -> Batch:
        """Tensors [features, most choices, longest]; a choice that a row does not have is one token long."""
        import torch

        most = max(len(feature["sequences"]) for feature in features)
        lacking = {key: value[:1] for key, value in features[0]["sequences"][0].items()}
        sequences = [
            sequence
            for feature in features
            for sequence in [*feature["sequences"], *[lacking] * (most - len(feature["sequences"]))]
        ]
        batch = {key: value.unflatten(0, (-1, most)) for key, value in padded(sequences, processor).items()}
        if "target" in features[0]:
            batch["labels"] = torch.tensor([feature["target"] for feature in features])
        return batch

    def loss(self, outputs: Any, batch: Batch) -> torch.Tensor:
        """Cross-entropy over a row's own choices, in fp32."""
        import torch
        from torch.nn.functional import cross_entropy

        lacking = batch["attention_mask"].sum(-1) <= 1
        logits = outputs.logits.float().masked_fill(lacking, torch.finfo(torch.float32).min)
        return cross_entropy(logits, batch["labels"])

    def divergence(self, outputs: Any, others: Any) -> torch.Tensor:
        """Symmetric Kullback-Leibler divergence over the choices, the mean over rows."""
        from torch.nn.functional import kl_div, log_softmax

        one, other = (log_softmax(o.logits.float(), dim=-1) for o in (outputs, others))
        there = kl_div(one, other, reduction="batchmean", log_target=True)
        return (there + kl_div(other, one, reduction="batchmean", log_target=True)) / 2

    def infer(self, runtime: Runtime, batch: Batch) -> list[np.ndarray]:
        """[choices] a feature: the scores of the row's own choices."""
        logits = super().infer(runtime, batch)
        there = (batch["attention_mask"].sum(-1) > 1).cpu().numpy()
        return [array[own] for array, own in zip(logits, there, strict=True)]

    def decode(self, outputs: Sequence[np.ndarray], features: Sequence[Feature]) -> list[Prediction]:
        """The choice with the largest score after its windows are merged."""
        predictions = []
        for _, group in groupby(zip(outputs, features, strict=True), key=lambda pair: pair[1]["row"]):
            windows = list(group)
            scores = np.stack([scores for scores, _ in windows]).astype(np.float64)
            merged = scores.max(axis=0) if self.merge == "max" else scores.mean(axis=0)
            predictions.append(chosen(merged, windows[0][1]["choices"]))
        return predictions

    def evidence(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Evidence:
        """``hit``, ``confidence``, ``true``, ``predicted_as``, ``choices`` (how many a row has)."""
        read = canonical(self.shape, rows, target=True)
        pairs = list(zip(read, predictions, strict=True))
        return {
            "hit": np.array([row["answer"] == prediction["choice"] for row, prediction in pairs]),
            "confidence": np.array([prediction["score"] for prediction in predictions]),
            "true": np.array([row["choices"][row["answer"]][:200] for row in read], dtype=object),
            "predicted_as": np.array([prediction["text"][:200] for prediction in predictions], dtype=object),
            "choices": np.array([len(row["choices"]) for row in read]),
        }

    def request_model(self) -> type[BaseModel]:
        """A question, choices, a text."""
        return ChoiceRequest

    def response_model(self) -> type[BaseModel]:
        """The choice and the scores of all."""
        return ChoicePrediction


def chosen(scores: np.ndarray, choices: Sequence[str]) -> Prediction:
    """The prediction from one score a choice; of equal ones the first is chosen."""
    shifted = np.exp(scores - scores.max())
    probabilities = shifted / shifted.sum()
    first = [choices.index(text) for text in choices]  # what is written twice is one choice
    best = first[int(probabilities.argmax())]
    return {
        "choice": best,
        "text": choices[best],
        "score": float(probabilities[best]),
        "scores": [float(p) for p in probabilities],
    }


def _windows(
    rows: Sequence[Mapping[str, Any]], first: int, processor: PreTrainedTokenizerBase, max_length: int
) -> list[Feature]:
    """The features of some rows, the first of which is row ``first``."""
    limit = half(max_length, processor)
    asked = [row["question"] for row in rows]
    questions = [
        shortened(text, places, limit // 2) for text, places in zip(asked, places_of(asked, processor), strict=True)
    ]
    contexts = places_of([row["context"] for row in rows], processor)
    jobs: list[tuple[int, int, str, str]] = []  # row, where its window starts, both texts
    for i, (row, question) in enumerate(zip(rows, questions, strict=True)):
        asides = [f"{question} {choice}" for choice in row["choices"]]
        sizes = places_of(asides, processor)
        asides = [shortened(text, places, limit) for text, places in zip(asides, sizes, strict=True)]
        if not row["context"]:
            jobs += [(i, 0, question, choice) for choice in row["choices"]]
            continue
        room = room_beside(min(limit, max(map(len, sizes))), max_length, processor)
        for start, end in slices(contexts[i], len(row["context"]), room, OVERLAP):
            jobs += [(i, start, row["context"][start:end], aside) for aside in asides]
    sequences = encoded([job[2] for job in jobs], [job[3] for job in jobs], processor, max_length)
    features: list[Feature] = []
    for (i, start), group in groupby(zip(jobs, sequences, strict=True), key=lambda pair: pair[0][:2]):
        own = [{key: value for key, value in one.items() if key != "places"} for _, one in group]
        longest = max(own, key=lambda one: len(one["input_ids"]))
        features.append({"row": first + i, **longest, "offset": start, "sequences": own, "choices": rows[i]["choices"]})
    return features
