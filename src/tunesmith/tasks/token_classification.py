"""Spans in a text, by tags of its tokens: named entities, phrases, parts of speech."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from tunesmith.core.contracts import Batch, Column, Evidence, Feature, Prediction, Row, Task
from tunesmith.core.errors import DataError
from tunesmith.data.spans import overlapping, without_duplicates
from tunesmith.data.tags import WordSpan
from tunesmith.models.output_names import name_outputs
from tunesmith.tasks.sequence import padded, required
from tunesmith.tasks.span_evidence import span_evidence
from tunesmith.tasks.tag_layer import Array, Scheme, TagLayer, log_softmax
from tunesmith.tasks.tagging import TAGGING
from tunesmith.tasks.token_windows import Pieces, on_tokens, pieces_of, put_together, token_windows

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

MOST_LABELS = 1000
"""More kinds of spans are hardly kinds: a column of surfaces or ids was taken for labels."""
NESTED_SHARE = 0.01
"""From this share of overlapping spans on, ``nested: auto`` gives each label tags of its own."""
IGNORED = -100


class TextWithWords(BaseModel):
    """A text; its words where they are known."""

    model_config = ConfigDict(extra="forbid")
    text: str = Field(min_length=1)
    words: list[tuple[int, int]] | None = None


class SpanAnswer(BaseModel):
    """A span: characters of the text as given, end exclusive."""

    start: int
    end: int
    text: str
    label: str
    score: float


class SpansPrediction(BaseModel):
    """The spans in order, and how likely all of them together are right."""

    spans: list[SpanAnswer]
    score: float


class TokenClassification(Task):
    """Spans of a text.

    Args:
        scheme: tags of the model; "BIO" is what ``transformers.pipeline`` groups.
        nested: "on" gives each label tags of its own, so that spans of different labels may overlap; "auto" does so
            where they overlap in the training rows.
        constrained: whether only legal sequences of tags are answered.
    """

    name: ClassVar[str] = "token-classification"
    summary: ClassVar[str] = "spans in a text: named entities, phrases, parts of speech"
    columns: ClassVar[tuple[Column, ...]] = (
        Column("text"),
        Column("words", "spans", required=False),
        Column("spans", "spans", target=True),
    )
    auto_model: ClassVar[str] = "AutoModelForTokenClassification"
    pipeline_tag: ClassVar[str] = "token-classification"
    metrics: ClassVar[tuple[str, ...]] = ("micro_f1", "precision", "recall", "macro_f1", "accuracy", "ece")
    pooled: ClassVar[bool] = False
    training: ClassVar[Mapping[str, Any]] = TAGGING

    def __init__(
        self, scheme: Scheme = "BIO", nested: Literal["auto", "on", "off"] = "auto", constrained: bool = True
    ) -> None:
        self.state: dict[str, Any] = {}
        self.scheme: Scheme = scheme
        self.nested = nested
        self.constrained = constrained
        self._layers: list[TagLayer] = []
        self._groups: list[frozenset[str]] = []
        self._lost: Counter[str] = Counter()

    @property
    def labels(self) -> list[str]:
        """Kinds of spans."""
        return list(self.state.get("labels", []))

    @property
    def notes(self) -> list[str]:
        """What is odd about the spans for the tags of this model, in words."""
        told = ["Spans overlap in the training rows, so each label has tags of its own (nested: on)."]
        lost = [f"{what}: {count:,}." for what, count in self._lost.items() if count]
        return [*(told if self.state.get("nested") and self.nested == "auto" else []), *lost]

    def learn(self, rows: Iterable[Row]) -> dict[str, Any]:
        """The labels, in order, the number of spans of each, and whether they overlap."""
        counts: Counter[str] = Counter()
        crossed = 0
        for i, row in enumerate(rows):
            spans = required(row, "spans", i)
            counts.update(str(span["label"]) for span in spans)
            crossed += len(overlapping(spans))
        _check_labels(counts)
        nested = self.nested == "on" or (self.nested == "auto" and crossed >= NESTED_SHARE * counts.total())
        labels = sorted(counts)
        self.restore({"labels": labels, "counts": [counts[label] for label in labels], "nested": nested})
        return self.state

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what ``learn`` returned."""
        self.state = dict(state)
        groups = [(label,) for label in self.labels] if self.state["nested"] else [tuple(self.labels)]
        self._layers = [TagLayer(group, self.scheme) for group in groups]
        self._groups = [frozenset(group) for group in groups]

    def adapt(self, processor: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
        """Pieces that a span can begin and end with."""
        from tunesmith.tasks.pieces import finely_cut

        return finely_cut(processor)

    def configure(self, config: PretrainedConfig) -> None:
        """The tags' names into the config; those of several layers behind one another."""
        names = self._layers[0].names
        if self.state["nested"]:
            names = [name if name != "O" else f"O-{layer.labels[0]}" for layer in self._layers for name in layer.names]
        name_outputs(config, names)

    def encode(
        self, rows: Sequence[Row], processor: PreTrainedTokenizerBase, *, max_length: int, targets: bool
    ) -> list[Feature]:
        """Windows of each row, with its tokens' tags."""
        texts = [str(required(row, "text", i)) for i, row in enumerate(rows)]
        cut = list(pieces_of(texts, [row.get("words") for row in rows], processor))
        features = token_windows(cut, processor, max_length)
        if targets:
            wanted = [self._targets(required(row, "spans", i), cut[i]) for i, row in enumerate(rows)]
            for feature in features:
                feature["target"] = on_tokens(feature, wanted[feature["row"]], IGNORED)
        return features

    def _targets(self, spans: Sequence[Mapping[str, Any]], pieces: Pieces) -> Array:
        """The outputs that pieces should have: [pieces, layers]."""
        made = np.zeros((len(pieces.ids), len(self._layers)), dtype=np.int64)
        for k, layer in enumerate(self._layers):
            own = [span for span in spans if span["label"] in self._groups[k]]
            made[:, k] = layer.targets(self._placed(own, pieces), len(pieces.ids))
        for span in spans:
            if not any(span["label"] in group for group in self._groups):
                self._lost["Spans of a label that no training row has"] += 1
                touched, _ = _on_pieces(span, pieces)
                if touched is not None:
                    made[touched.start : touched.end] = IGNORED
        return made

    def _placed(self, spans: Sequence[Mapping[str, Any]], pieces: Pieces) -> list[WordSpan]:
        """The spans of a layer as spans of pieces, those left out that overlap another."""
        crossed = overlapping(spans)
        found = [_on_pieces(span, pieces) for span in spans if span not in crossed]
        self._lost["Spans that overlap another and are not learned"] += len(crossed)
        inexact = sum(not exact for _, exact in found)
        self._lost["Spans that do not begin and end with a token (those that they touch are taken)"] += inexact
        return _apart([span for span, _ in found if span is not None])

    def collate(self, features: Sequence[Feature], processor: PreTrainedTokenizerBase) -> Batch:
        """``input_ids``, ``attention_mask`` [features, longest]; ``labels`` [features, longest, layers]."""
        batch = padded(features, processor)
        if features and "target" in features[0]:
            labels = np.full((*batch["input_ids"].shape, len(self._layers)), IGNORED, dtype=np.int64)
            for i, feature in enumerate(features):
                labels[i, : len(feature["target"])] = feature["target"]
            batch["labels"] = labels
        return batch

    def loss(self, outputs: Any, batch: Batch) -> torch.Tensor:
        """Cross-entropy of each token's tag in fp32, the mean over tokens (and layers)."""
        from torch.nn.functional import cross_entropy

        logits = outputs.logits.float()
        width = logits.shape[-1] // len(self._layers)
        return cross_entropy(logits.reshape(-1, width), batch["labels"].reshape(-1), ignore_index=IGNORED)

    def divergence(self, outputs: Any, others: Any) -> torch.Tensor:
        """Symmetric Kullback-Leibler divergence, the mean over tokens."""
        from torch.nn.functional import kl_div, log_softmax

        width = outputs.logits.shape[-1] // len(self._layers)
        one, other = (log_softmax(o.logits.float().reshape(-1, width), dim=-1) for o in (outputs, others))
        there = kl_div(one, other, reduction="batchmean", log_target=True)
        back = kl_div(other, one, reduction="batchmean", log_target=True)
        return (there + back) / 2

    def decode(self, outputs: Sequence[np.ndarray], features: Sequence[Feature]) -> list[Prediction]:
        """The spans of each row, from the outputs of all of its windows."""
        return [self._answer(pieces, logits) for pieces, logits in put_together(outputs, features)]

    def _answer(self, pieces: Pieces, logits: Array) -> Prediction:
        spans: list[dict[str, Any]] = []
        sure = 0.0
        if len(pieces.ids):
            for layer, own in zip(self._layers, np.split(logits, len(self._layers), axis=1), strict=True):
                scores = layer.of_words(log_softmax(own), pieces)
                path = layer.best(scores) if self.constrained else scores.argmax(axis=1)
                chosen = scores[np.arange(len(path)), path]
                sure += float(chosen.sum())
                spans += [_span(pieces, span, chosen) for span in layer.spans(path)]
        return {"spans": without_duplicates(spans), "score": float(np.exp(sure))}

    def evidence(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Evidence:
        """``hit``, ``confidence``, ``true``, ``predicted_as``, ``class_counts``: exact spans, see ``span_evidence``."""
        true = [required(row, "spans", i) for i, row in enumerate(rows)]
        texts = [str(row["text"]) for row in rows]
        scores = [prediction["score"] for prediction in predictions]
        return span_evidence(texts, true, [p["spans"] for p in predictions], scores, self.labels)

    def request_model(self) -> type[BaseModel]:
        """A text, and its words where they are known."""
        return TextWithWords

    def response_model(self) -> type[BaseModel]:
        """Spans."""
        return SpansPrediction


def _check_labels(counts: Counter[str]) -> None:
    if not counts:
        raise DataError(
            "No training row has a span, so there is nothing to find.",
            "Choose the columns with data.spans=COLUMN, or data.tokens=COLUMN data.tags=COLUMN.",
        )
    if len(counts) > MOST_LABELS:
        some = ", ".join(f'"{label}"' for label in sorted(counts)[:3])
        raise DataError(
            f"The spans have {len(counts):,} labels, such as {some}; at most {MOST_LABELS:,} kinds can be learned.",
            "Is it the right column? Name it with data.spans=COLUMN or data.tags=COLUMN, or merge the labels.",
        )


def _on_pieces(span: Mapping[str, Any], pieces: Pieces) -> tuple[WordSpan | None, bool]:
    """The pieces of the words that a span touches, None where there are none; and whether it is exactly these."""
    first = int(np.searchsorted(pieces.words[:, 1], span["start"], side="right"))
    last = int(np.searchsorted(pieces.words[:, 0], span["end"], side="left")) - 1
    if last < first:
        return None, False
    exact = bool(pieces.words[first, 0] == span["start"] and pieces.words[last, 1] == span["end"])
    end = int(pieces.first[last + 1]) if last + 1 < len(pieces.first) else len(pieces.ids)
    return WordSpan(int(pieces.first[first]), end, span["label"]), exact


def _apart(spans: Sequence[WordSpan]) -> list[WordSpan]:
    """Spans that touched the same word, only the first of each."""
    kept: list[WordSpan] = []
    for span in sorted(spans):
        if not kept or span.start >= kept[-1].end:
            kept.append(span)
    return kept


def _span(pieces: Pieces, span: WordSpan, chosen: Array) -> dict[str, Any]:
    start, end = int(pieces.words[span.start, 0]), int(pieces.words[span.end - 1, 1])
    score = float(np.exp(chosen[span.start : span.end]).mean())
    return {"start": start, "end": end, "text": pieces.text[start:end], "label": span.label, "score": score}
