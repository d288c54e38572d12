"""The right one of a question's choices, with or without a text to read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from tunesmith.core.contracts import Batch, Column, Evidence, Feature, Prediction, Row, Runtime, Task
from tunesmith.core.errors import DataError
from tunesmith.data.shapes.multiple_choice import ChoiceShape
from tunesmith.tasks.choices_apart import Apart
from tunesmith.tasks.choices_together import Together
from tunesmith.tasks.passages import canonical

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig, PreTrainedTokenizerBase


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

    A feature holds all choices of a row, and a window of its text.

    Args:
        reading: "together": each choice in one sequence with question and text, scored by a head; "apart": the text
            (or the question) and the choices as vectors of a sentence encoder, scored by their cosine; "auto":
            apart where the model is a sentence encoder.
        merge: how the scores of a long text's windows become one: their "max" or their "mean".
        scale: what cosines are multiplied by, where choices are read apart.
    """

    name: ClassVar[str] = "multiple-choice"
    summary: ClassVar[str] = "the right one of a question's choices, with or without a text to read"
    columns: ClassVar[tuple[Column, ...]] = (
        Column("question"),
        Column("choices", "any"),
        Column("context", required=False),
        Column("answer", "number", target=True),
    )
    auto_model: ClassVar[str] = Together.auto_model
    pipeline_tag: ClassVar[str] = "multiple-choice"
    same_classes: ClassVar[bool] = False
    metrics: ClassVar[tuple[str, ...]] = ("accuracy", "ece")

    def __init__(
        self,
        reading: Literal["auto", "together", "apart"] = "auto",
        merge: Literal["max", "mean"] = "max",
        scale: Annotated[float, Field(gt=0)] = 20.0,
    ) -> None:
        self.reading = reading
        self.merge = merge
        self.scale = scale
        self.shape = ChoiceShape()
        self.restore({})

    def learn(self, rows: Iterable[Row]) -> dict[str, Any]:
        """The largest number of choices."""
        most = max((len(row["choices"]) for row in canonical(self.shape, list(rows), target=True)), default=0)
        if not most:
            raise DataError("There are no training rows to learn from.", "Give rows of questions with choices.")
        self.restore({**self.state, "most_choices": most})
        return self.state

    def start_from(self, reference: Any, pooling: str) -> None:
        """Read apart by a sentence encoder's own vectors, where it is one or that is asked for."""
        from tunesmith.tasks.sentence_transformer import prompts_of

        known = reference.pooling if pooling == "auto" else pooling
        if self.reading == "together" or (self.reading == "auto" and known not in ("mean", "cls")):
            return
        prompts = prompts_of(reference.hub_id or reference.name, Path(reference.path), reference.prefix)
        apart = {"pooling": known if known in ("mean", "cls") else "mean", "prompts": prompts}
        self.restore({**self.state, "apart": apart})

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what ``learn`` returned, and how choices are read."""
        self.state = dict(state)
        apart = self.state.get("apart")
        self._reader: Together | Apart = Apart(**apart, scale=self.scale) if apart else Together()
        self.auto_model = self._reader.auto_model  # type: ignore[misc]
        self.pooled = self._reader.pooled  # type: ignore[misc]

    def configure(self, config: PretrainedConfig) -> None:
        """One score a choice."""
        if not self.state.get("apart"):
            config.num_labels = 1

    def encode(
        self, rows: Sequence[Row], processor: PreTrainedTokenizerBase, *, max_length: int, targets: bool
    ) -> list[Feature]:
        """A feature for each window of a row's text: ``sequences``, ids of all texts; ``input_ids`` is the longest."""
        read = canonical(self.shape, rows, target=targets)
        features: list[Feature] = []
        for start in range(0, len(read), 256):  # bounded: the tokenizer's own objects are large
            features += self._reader.features(read[start : start + 256], start, processor, max_length)
        for feature in features:
            feature["choices"] = read[feature["row"]]["choices"]
            if targets:
                feature["target"] = read[feature["row"]]["answer"]
        return features

    def token_ids(self, features: Sequence[Feature]) -> np.ndarray:
        """Those of all choices."""
        every = [sequence["input_ids"] for feature in features for sequence in feature["sequences"]]
        return np.unique(np.concatenate(every))

    def collate(self, features: Sequence[Feature], processor: PreTrainedTokenizerBase) -> Batch:
        """What the way of reading makes of it; ``labels`` [features], the index of the right choice."""
        batch = self._reader.collate(features, processor)
        if "target" in features[0]:
            batch["labels"] = np.asarray([feature["target"] for feature in features], dtype=np.int64)
        return batch

    def forward(self, model: Any, batch: Batch) -> Any:
        """Scores, or the vectors that they come from."""
        return self._reader.forward(model, batch)

    def scored(self, outputs: Any, batch: Batch) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Scores [features, most choices], and which is right [features]."""
        return [(self._reader.scores(outputs, batch), batch["labels"])]

    def loss(self, outputs: Any, batch: Batch) -> torch.Tensor:
        """Cross-entropy over a row's own choices, in fp32."""
        from torch.nn.functional import cross_entropy

        return cross_entropy(*self.scored(outputs, batch)[0])

    def divergence(self, outputs: Any, others: Any) -> torch.Tensor:
        """Symmetric Kullback-Leibler divergence over the choices, the mean over rows; of vectors, 1 - cosine."""
        from torch.nn.functional import cosine_similarity, kl_div, log_softmax

        if hasattr(outputs, "vectors"):
            return 1 - cosine_similarity(outputs.vectors.float(), others.vectors.float(), dim=-1).mean()
        one, other = (log_softmax(o.logits.float(), dim=-1) for o in (outputs, others))
        there = kl_div(one, other, reduction="batchmean", log_target=True)
        return (there + kl_div(other, one, reduction="batchmean", log_target=True)) / 2

    def infer(self, runtime: Runtime, batch: Batch) -> list[np.ndarray]:
        """[choices] a feature: the scores of the row's own choices."""
        return self._reader.infer(runtime, batch)

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

    def accompany(self, folder: str, config: PretrainedConfig, max_length: int) -> None:
        """Where choices are read apart, what ``SentenceTransformer(folder)`` reads."""
        from tunesmith.tasks import sentence_transformer

        if apart := self.state.get("apart"):
            sentence_transformer.write(Path(folder), **apart, width=config.hidden_size, max_length=max_length)

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
