"""Where in a text a question is answered, or that it is not: a start and an end, chosen among all windows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from tunesmith.core.contracts import Batch, Column, Evidence, Feature, Prediction, Row, Runtime, Task
from tunesmith.core.errors import DataError
from tunesmith.data.shapes.extractive_qa import QuestionShape
from tunesmith.tasks import answer_match
from tunesmith.tasks.answer_spans import Found, best_in_windows, best_threshold
from tunesmith.tasks.passages import canonical, encoded, half, places_of, room_beside, shortened, slices
from tunesmith.tasks.sequence import padded

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

OVERLAP = 0.25
"""Share of a window's passage that the next one repeats, so that an answer stands whole in one of them."""
IGNORED = -100.0  # as other tasks have it: a mixture pads with it
"""In a batch's labels: a token that cannot be a start or an end."""


class QuestionRequest(BaseModel):
    """A question, and the text in which its answer is sought."""

    model_config = ConfigDict(extra="forbid")
    question: str = Field(min_length=1)
    context: str = Field(min_length=1)


class AnswerPrediction(BaseModel):
    """The answer, where it stands in the context (characters, end exclusive), and its probability."""

    answer: str
    start: int
    end: int
    score: float


class AnswerOrNonePrediction(AnswerPrediction):
    """As before; with ``no_answer_score`` above 0.5 the answer is empty and ``score`` is its own."""

    no_answer_score: float


class ExtractiveQA(Task):
    """A span of the context for each question.

    Whether there may be no answer is learned: only training rows without one teach it. Then a row has none where
    the best span's score is less than ``threshold`` above that of the first token, which stands for "none"
    (Devlin et al. 2019, 4.3). The threshold is chosen on the validation rows after training (``choose``).

    Args:
        max_answer_length: characters; None: as many as the longest answer of the training rows.
    """

    name: ClassVar[str] = "extractive-qa"
    summary: ClassVar[str] = "the piece of a text that answers a question, or that there is none"
    columns: ClassVar[tuple[Column, ...]] = (
        Column("question"),
        Column("context"),
        Column("answers", "spans", target=True),
    )
    auto_model: ClassVar[str] = "AutoModelForQuestionAnswering"
    pipeline_tag: ClassVar[str] = "question-answering"
    same_classes: ClassVar[bool] = False
    metrics: ClassVar[tuple[str, ...]] = ("answer_f1", "exact_match", "answerable_f1", "no_answer_accuracy", "ece")
    pooled: ClassVar[bool] = False
    window: ClassVar[int] = 384
    training: ClassVar[Mapping[str, Any]] = {"full": {"learning_rate": 2e-4, "layer_decay": 0.95, "epochs": 3}}

    def __init__(self, max_answer_length: Annotated[int, Field(ge=1)] | None = None) -> None:
        self.max_answer_length = max_answer_length
        self.shape = QuestionShape()
        self.state: dict[str, Any] = {}

    def learn(self, rows: Iterable[Row]) -> dict[str, Any]:
        """Whether there are rows without an answer, and how long answers are."""
        read = canonical(self.shape, list(rows), target=True)
        longest = max((len(answer["text"]) for row in read for answer in row["answers"]), default=0)
        if not longest:
            raise DataError(
                f"No row of the {len(read)} training rows has an answer: there is nothing to learn.",
                "Choose the column of the answers with data.answers=COLUMN.",
            )
        none = sum(not row["answers"] for row in read)
        self.restore({"longest": longest, "without_answer": none, "threshold": 0.0})
        return self.state

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what ``learn`` returned."""
        self.state = dict(state)

    @property
    def may_be_none(self) -> bool:
        """Whether a question may have no answer."""
        return bool(self.state["without_answer"])

    def configure(self, config: PretrainedConfig) -> None:
        """Two scores a token: start and end."""
        config.num_labels = 2

    def encode(
        self, rows: Sequence[Row], processor: PreTrainedTokenizerBase, *, max_length: int, targets: bool
    ) -> list[Feature]:
        """Windows of each context with the question before it: ``places`` are the tokens' in the whole context.

        With targets: int [references, 2], the answers' first and last token in this window; 0, 0 for none.
        """
        read = canonical(self.shape, rows, target=targets)
        features: list[Feature] = []
        for start in range(0, len(read), 256):  # bounded: the tokenizer's own objects are large
            features += _windows(read[start : start + 256], start, processor, max_length)
        if targets:
            for feature in features:
                feature["target"] = _targets(read[feature["row"]]["answers"], feature["places"])
        return features

    def collate(self, features: Sequence[Feature], processor: PreTrainedTokenizerBase) -> Batch:
        """``labels``: [features, longest, 2], each token's share of the references that start and end there."""
        batch = padded(features, processor)
        if features and "target" in features[0]:
            labels = np.full((*batch["input_ids"].shape, 2), IGNORED, dtype=np.float32)
            for row, feature in zip(labels, features, strict=True):
                row[: len(feature["places"])][feature["places"][:, 0] >= 0] = 0
                row[0] = 0
                for answer in feature["target"]:
                    row[answer, [0, 1]] += 1 / len(feature["target"])
            batch["labels"] = labels
        return batch

    def loss(self, outputs: Any, batch: Batch) -> torch.Tensor:
        """Cross-entropy of start and end over the context's tokens and the first one, in fp32."""
        import torch

        logits = torch.stack([outputs.start_logits, outputs.end_logits], dim=-1).float()
        wanted = batch["labels"]
        logits = logits.masked_fill(wanted == IGNORED, torch.finfo(torch.float32).min)
        loss: torch.Tensor = -(torch.log_softmax(logits, dim=1) * wanted.clamp(min=0)).sum(dim=1).mean()
        return loss

    def divergence(self, outputs: Any, others: Any) -> torch.Tensor:
        """Symmetric Kullback-Leibler divergence of starts and of ends, the mean over windows."""
        from torch.nn.functional import kl_div, log_softmax

        def apart(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
            one, other = log_softmax(one.float(), dim=-1), log_softmax(other.float(), dim=-1)
            there = kl_div(one, other, reduction="batchmean", log_target=True)
            return there + kl_div(other, one, reduction="batchmean", log_target=True)

        starts = apart(outputs.start_logits, others.start_logits)
        return (starts + apart(outputs.end_logits, others.end_logits)) / 4

    def infer(self, runtime: Runtime, batch: Batch) -> list[np.ndarray]:
        """[length, 2] a window: the scores of start and end."""
        outputs = runtime.forward({key: value for key, value in batch.items() if key != "labels"})
        both = np.stack([outputs["start_logits"], outputs["end_logits"]], axis=-1)
        lengths = batch["attention_mask"].sum(-1).tolist()
        return [array[:length] for array, length in zip(both, lengths, strict=True)]

    def decode(self, outputs: Sequence[np.ndarray], features: Sequence[Feature]) -> list[Prediction]:
        """The best span of all windows of a row, or none."""
        return [self._prediction(found, context) for found, context in self._found(outputs, features)]

    def choose(self, rows: Sequence[Row], outputs: Sequence[np.ndarray], features: Sequence[Feature]) -> None:
        """The threshold for "no answer" that gives these rows the best F1; the validation rows, after training."""
        if not self.may_be_none:
            return
        read = canonical(self.shape, rows, target=True)
        margins, scores, empty = [], [], []
        for row, (found, context) in zip(read, self._found(outputs, features), strict=True):
            references = [answer["text"] for answer in row["answers"]]
            margins.append(found.margin)
            answer = context[found.start : found.end]
            scores.append(answer_match.best(answer_match.overlap_f1, answer, references))
            empty.append(float(not references))
        self.state["threshold"] = best_threshold(np.array(margins), np.array(scores), np.array(empty))

    def _found(self, outputs: Sequence[np.ndarray], features: Sequence[Feature]) -> list[tuple[Found, str]]:
        longest = self.max_answer_length or self.state["longest"]
        found = []
        for _, group in groupby(zip(outputs, features, strict=True), key=lambda pair: pair[1]["row"]):
            windows = list(group)
            pairs = [(logits, feature["places"]) for logits, feature in windows]
            context = windows[0][1]["context"]
            found.append((_trimmed(best_in_windows(pairs, longest, self.may_be_none), context), context))
        return found

    def _prediction(self, found: Found, context: str) -> Prediction:
        made = {"answer": context[found.start : found.end], "start": found.start, "end": found.end}
        if not self.may_be_none:
            return {**made, "score": found.score}
        none = found.none_score(float(self.state["threshold"]))
        if none > 0.5:
            return {"answer": "", "start": 0, "end": 0, "score": none, "no_answer_score": none}
        return {**made, "score": found.score, "no_answer_score": none}

    def evidence(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Evidence:
        """``exact_match``, ``answer_f1``, ``run_f1``: float [rows]; ``answerable``, ``answered``: bool [rows].

        And ``hit``, ``confidence``, ``true``, ``predicted_as``, as all tasks of a shape have them.
        """
        wanted = [[a["text"] for a in row["answers"]] for row in canonical(self.shape, rows, target=True)]
        given = [prediction["answer"] for prediction in predictions]
        scores = {
            name: np.array([answer_match.best(score, *pair) for pair in zip(given, wanted, strict=True)])
            for name, score in (
                ("exact_match", answer_match.exact),
                ("answer_f1", answer_match.overlap_f1),
                ("run_f1", answer_match.run_f1),
            )
        }
        return {
            **scores,
            "answerable": np.array([bool(references) for references in wanted]),
            "answered": np.array([bool(answer) for answer in given]),
            "hit": scores["exact_match"] == 1,
            "confidence": np.array([prediction["score"] for prediction in predictions]),
            "true": np.array([_shown(references[0] if references else "") for references in wanted], dtype=object),
            "predicted_as": np.array([_shown(answer) for answer in given], dtype=object),
        }

    def request_model(self) -> type[BaseModel]:
        """A question and a context."""
        return QuestionRequest

    def response_model(self) -> type[BaseModel]:
        """The answer; with ``no_answer_score`` where there may be none."""
        return AnswerOrNonePrediction if self.may_be_none else AnswerPrediction


def _windows(
    rows: Sequence[Mapping[str, Any]], first: int, processor: PreTrainedTokenizerBase, max_length: int
) -> list[Feature]:
    asked = [row["question"] for row in rows]
    questions = [
        shortened(text, places, half(max_length, processor))
        for text, places in zip(asked, places_of(asked, processor), strict=True)
    ]
    used = [len(places) for places in places_of(questions, processor)]
    contexts = places_of([row["context"] for row in rows], processor)
    pieces = [
        (i, start, end)
        for i, row in enumerate(rows)
        for start, end in slices(contexts[i], len(row["context"]), room_beside(used[i], max_length, processor), OVERLAP)
    ]
    texts = [rows[i]["context"][start:end] for i, start, end in pieces]
    features = encoded([questions[i] for i, *_ in pieces], texts, processor, max_length)
    for feature, (i, start, _) in zip(features, pieces, strict=True):
        inside = feature["places"][:, 0] >= 0
        feature["places"][inside] += start
        feature.update(row=first + i, offset=start, context=rows[i]["context"])
    return features


def _targets(answers: Sequence[Mapping[str, Any]], places: np.ndarray) -> np.ndarray:
    """First and last token of each answer that stands whole in the window; (0, 0) where none does."""
    inside = np.flatnonzero(places[:, 0] >= 0)
    found = []
    for answer in answers:
        start, end = answer["start"], answer["start"] + len(answer["text"])
        touched = inside[(places[inside, 1] > start) & (places[inside, 0] < end)]
        if len(touched) and places[touched[0], 0] <= start and places[touched[-1], 1] >= end:
            found.append((touched[0], touched[-1]))
    return np.array(found or [(0, 0)], dtype=np.int64)


def _trimmed(found: Found, context: str) -> Found:
    """Without white space at its ends: some tokenizers count it to the token after it."""
    text = context[found.start : found.end]
    start = found.start + len(text) - len(text.lstrip())
    return replace(found, start=start, end=max(start, found.end - len(text) + len(text.rstrip())))


def _shown(answer: str) -> str:
    return answer[:200] or "(no answer)"
