"""A vector for a text, such that texts that belong together are near each other: search, matching, similarity."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, groupby
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_serializer

from tunesmith.core.contracts import Batch, Column, Evidence, Feature, Prediction, Row, Runtime, Task
from tunesmith.core.errors import DataError, ModelError, RecipeError
from tunesmith.data.shapes.shape import RowProblem
from tunesmith.data.shapes.text_embedding import TextEmbeddingShape
from tunesmith.tasks.embedding_features import batch_to_learn, sides, to_answer, to_learn
from tunesmith.tasks.retrieval import retrieval_evidence
from tunesmith.tasks.sequence import padded
from tunesmith.tasks.vectors import pooled, text_vectors

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

RETRIEVAL = ("mrr", "recall_at_1", "recall_at_10", "ndcg_at_10")
SCORED = ("spearman", "pearson")
DIGITS = 7
"""Decimals of a vector's numbers in an answer: float32 has no more."""


class EmbeddingRequest(BaseModel):
    """A text to be embedded, or two to be compared."""

    model_config = ConfigDict(extra="forbid")
    text: str = Field(min_length=1)
    text_pair: str | None = Field(None, min_length=1)
    prompt: Literal["query", "passage"] | None = None


class EmbeddingPrediction(BaseModel):
    """Of one text its vector; of two their cosine, and the vectors where the task is to find texts."""

    score: float | None = None
    vector: list[float] | None = None
    vector_pair: list[float] | None = None

    @model_serializer(mode="wrap")
    def _filled(self, make: Any) -> dict[str, Any]:
        return {key: value for key, value in make(self).items() if value is not None}


class TextEmbedding(Task):
    """Texts as vectors of length 1, learned from pairs, triplets or scored pairs.

    Args:
        loss: "info-nce" (van den Oord et al. 2018) over the texts of a batch, for pairs and triplets; "cosent"
            (Su 2022) or "cosine" (mean squared error) for scored pairs; "auto": the first of these that fits.
        scale: what cosines are multiplied by in "info-nce" and "cosent".
        both_directions: "info-nce" also asks from the second texts for the first.
        prefixes: what stands before a query and before a passage, ``{query: "query: ", passage: "passage: "}``;
            "auto": what the model was trained with.
        window_decay: of a long text, what each further window weighs in its vector beside the one before: 1 is the
            plain mean, 0 reads the beginning only.
    """

    name: ClassVar[str] = "text-embedding"
    summary: ClassVar[str] = "a vector for a text, near those of texts that belong to it"
    columns: ClassVar[tuple[Column, ...]] = (
        Column("text"),
        Column("text_pair", required=False),
        Column("prompt", required=False),
        Column("score", "number", required=False, target=True),
        Column("negatives", "any", required=False, target=True),
    )
    auto_model: ClassVar[str] = "AutoModel"
    pipeline_tag: ClassVar[str] = "feature-extraction"
    decides: ClassVar[bool] = False
    metrics: ClassVar[tuple[str, ...]] = RETRIEVAL
    pooled: ClassVar[bool] = False
    window: ClassVar[int] = 128
    training: ClassVar[Mapping[str, Any]] = {"batch_size": 64, "full": {"epochs": 2, "layer_decay": 1.0}}

    def __init__(
        self,
        loss: Literal["auto", "info-nce", "cosent", "cosine"] = "auto",
        scale: Annotated[float, Field(gt=0)] = 20.0,
        both_directions: bool = False,
        prefixes: Literal["auto", "none"] | dict[Literal["query", "passage"], str] = "auto",
        window_decay: Annotated[float, Field(ge=0, le=1)] = 0.25,
    ) -> None:
        self.loss_name = loss
        self.scale = scale
        self.both_directions = both_directions
        self.prefixes = prefixes
        self.window_decay = window_decay
        self.state: dict[str, Any] = {"pooling": "mean", "prompts": self._prompts({})}
        self._shape = TextEmbeddingShape()

    def learn(self, rows: Iterable[Row]) -> dict[str, Any]:
        """Whether pairs are scored, and between which scores; the metrics follow from it.

        Raises:
            DataError: some rows have scores and others none, or there is nothing to learn from them.
            RecipeError: the loss does not fit the rows.
        """
        found = [self._row(row, i, target=True) for i, row in enumerate(rows)]
        scores = [row["score"] for row in found if "score" in row]
        if scores and len(scores) < len(found):
            at = next(i for i, row in enumerate(found) if "score" not in row)
            raise DataError(
                f"{len(scores)} of {len(found)} rows have a score; row {at + 1} has none.",
                "Give all of them one, or leave the column out: then all pairs belong together.",
            )
        kind = "scored" if scores else "pairs"
        learned = {"low": min(scores), "high": max(scores)} if scores else {}
        _refuse_equal(found, scores)
        self._refuse_loss(kind)
        self.restore({**self.state, "kind": kind, **learned})
        return self.state

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what ``learn`` returned, and the metrics of its kind of rows."""
        self.state = dict(state)
        self.metrics = SCORED if self.state.get("kind") == "scored" else RETRIEVAL  # type: ignore[misc]

    def start_from(self, reference: Any, pooling: str) -> None:
        """Pool as the original does, and put before texts what it was trained to see.

        Raises:
            ModelError: the original pools in a way that is not known here.
        """
        from tunesmith.tasks.sentence_transformer import prompts_of

        chosen = (reference.pooling or "mean") if pooling == "auto" else pooling
        if chosen not in ("mean", "cls"):
            raise ModelError(
                f'The model "{reference.name}" makes one vector of its tokens by "{chosen}"; known: mean, cls.',
                "Set model.pooling=mean, or take another model.",
            )
        prompts = prompts_of(reference.hub_id or reference.name, Path(reference.path), reference.prefix)
        self.state = {**self.state, "pooling": chosen, "prompts": self._prompts(prompts)}

    def configure(self, config: PretrainedConfig) -> None:
        """There is no head."""

    def encode(
        self, rows: Sequence[Row], processor: PreTrainedTokenizerBase, *, max_length: int, targets: bool
    ) -> list[Feature]:
        """Where nothing is learned, a feature for each window of each text; else one a row, with all of its texts.

        Training reads the beginning of a long text, prediction all of it: see ``embedding_features``.
        """
        found = [self._row(row, i, target=targets) for i, row in enumerate(rows)]
        texts = [self._texts(row) for row in found]
        if not targets:
            return to_answer(texts, processor, max_length, self.window_decay)
        return to_learn(texts, [row.get("score", 0.0) for row in found], processor, max_length)

    def collate(self, features: Sequence[Feature], processor: PreTrainedTokenizerBase) -> Batch:
        """``input_ids``, ``attention_mask`` [texts, longest]; ``labels`` of training rows, which share texts."""
        learning = bool(features) and "others" in features[0]
        return batch_to_learn(features, processor) if learning else padded(features, processor)

    def token_ids(self, features: Sequence[Feature]) -> np.ndarray:
        """Ids of all texts."""
        texts = chain.from_iterable([feature["input_ids"], *feature.get("others", ())] for feature in features)
        return np.unique(np.concatenate(list(texts)))

    def forward(self, model: Any, batch: Batch) -> Any:
        """``vectors`` [texts, width]; questions are not padded to the length of answers."""
        vectors = text_vectors(lambda part: model(**part).last_hidden_state, batch, self.state["pooling"])
        return SimpleNamespace(vectors=vectors)

    def loss(self, outputs: Any, batch: Batch) -> torch.Tensor:
        """Of ``forward``'s vectors, or of a model's plain outputs; see ``embedding_losses``."""
        from torch.nn.functional import normalize

        from tunesmith.tasks import embedding_losses as losses

        vectors = getattr(outputs, "vectors", None)
        if vectors is None:
            vectors = pooled(outputs.last_hidden_state, batch["attention_mask"], self.state["pooling"])
        vectors = normalize(vectors.float(), dim=-1)
        scores, places = batch["labels"][:, 0], batch["labels"][:, 1:].long()
        first, second, negatives = places[:, 0], places[:, 1], places[:, 2:]
        if self._kind == "scored" and self.loss_name == "cosine":
            return losses.cosine_error(vectors, first, second, self._scaled(scores))
        if self._kind == "scored":
            return losses.cosent(vectors, first, second, scores, self.scale)
        there = losses.info_nce(vectors, first, second, negatives, self.scale)
        if not self.both_directions:
            return there
        return (there + losses.info_nce(vectors, second, first, negatives[:, :0], self.scale)) / 2

    def divergence(self, outputs: Any, others: Any) -> torch.Tensor:
        """1 - cosine of the two vectors of each text, the mean."""
        from torch.nn.functional import cosine_similarity

        apart: torch.Tensor = 1 - cosine_similarity(outputs.vectors.float(), others.vectors.float(), dim=-1).mean()
        return apart

    def accompany(self, folder: str, config: PretrainedConfig, max_length: int) -> None:
        """What ``SentenceTransformer(folder)`` reads."""
        from tunesmith.tasks import sentence_transformer

        sentence_transformer.write(
            Path(folder),
            pooling=self.state["pooling"],
            prompts=self.state["prompts"],
            width=config.hidden_size,
            max_length=max_length,
        )

    def infer(self, runtime: Runtime, batch: Batch) -> list[np.ndarray]:
        """The vector of each window [width]; of training rows, those of the first and second text [2, width]."""
        vectors = text_vectors(lambda part: runtime.forward(part)["last_hidden_state"], batch, self.state["pooling"])
        return list(vectors[batch["labels"][:, 1:3].astype(int)] if "labels" in batch else vectors)

    def decode(self, outputs: Sequence[np.ndarray], features: Sequence[Feature]) -> list[Prediction]:
        """A vector of length 1 for a text, a cosine for two."""
        both = zip(features, outputs, strict=True)
        return [self._answer(sides(list(group))) for _, group in groupby(both, key=lambda pair: pair[0]["row"])]

    def evidence(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Evidence:
        """Of scored pairs: ``value`` (scores, brought to 0 to 1 by the training rows') and ``predicted_value``.

        Of others ``rank``, ``hit``, ``confidence``, ``true`` and ``predicted_as``: see ``retrieval``.
        """
        found = [self._row(row, i, target=True) for i, row in enumerate(rows)]
        if self._kind == "scored":
            scores = np.array([_required_score(row, i) for i, row in enumerate(found)])
            return {"value": self._scaled(scores), "predicted_value": np.array([p["score"] for p in predictions])}
        firsts, seconds = ([row[role] for row in found] for role in ("text", "text_pair"))
        return retrieval_evidence(firsts, seconds, predictions, self.scale)

    def request_model(self) -> type[BaseModel]:
        """A text, or a pair."""
        return EmbeddingRequest

    def response_model(self) -> type[BaseModel]:
        """A vector, or a score."""
        return EmbeddingPrediction

    @property
    def _kind(self) -> str:
        return str(self.state.get("kind", "pairs"))

    def _prompts(self, known: Mapping[str, str]) -> dict[str, str]:
        chosen = known if self.prefixes == "auto" else {} if self.prefixes == "none" else self.prefixes
        return {side: str(chosen.get(side, "")) for side in ("query", "passage")}

    def _refuse_loss(self, kind: str) -> None:
        fitting = {"pairs": ("info-nce",), "scored": ("cosent", "cosine")}[kind]
        if self.loss_name not in ("auto", *fitting):
            rows = f"pairs {'with' if kind == 'scored' else 'without'} scores"
            raise RecipeError(f'task.loss is "{self.loss_name}"; the rows are {rows}.', f"Use {fitting[0]}, or auto.")

    def _row(self, row: Row, index: int, *, target: bool) -> dict[str, Any]:
        cells = {role: value for role, value in row.items() if role in self._shape.roles}
        try:
            found = list(self._shape.read(cells, target=target))
        except RowProblem as problem:
            raise DataError(f"Row {index + 1}: {problem}.", "Mend the row, or leave it out.") from None
        if len(found) != 1:
            raise DataError(f"Row {index + 1} holds {len(found)} pairs.", "Give one pair a row.")
        return found[0]

    def _texts(self, row: Mapping[str, Any]) -> list[str]:
        """A row's texts with what stands before them. Two texts that are scored are of one kind: both are queries."""
        query, passage = (self.state["prompts"][side] for side in ("query", "passage"))
        first = passage if row.get("prompt") == "passage" else query
        other = query if self._kind == "scored" else passage
        seconds = [row["text_pair"]] if "text_pair" in row else []
        return [first + row["text"], *(other + text for text in [*seconds, *row.get("negatives", ())])]

    def _answer(self, vectors: list[np.ndarray]) -> Prediction:
        plain = [np.round(vector, DIGITS).tolist() for vector in vectors]
        if len(vectors) == 1:
            return {"vector": plain[0]}
        score = {"score": float(vectors[0] @ vectors[1])}
        return score if self._kind == "scored" else {**score, "vector": plain[0], "vector_pair": plain[1]}

    def _scaled(self, scores: Any) -> Any:
        low, high = float(self.state["low"]), float(self.state["high"])
        return (scores - low) / (high - low)


def _refuse_equal(rows: list[dict[str, Any]], scores: list[float]) -> None:
    if scores and min(scores) == max(scores):
        raise DataError(
            f"All {len(scores)} scores are {scores[0]:g}: there is nothing to tell pairs apart by.",
            "Leave the score's column out if all pairs belong together, or choose another with data.score=COLUMN.",
        )
    others = {row["text_pair"] for row in rows} | {text for row in rows for text in row.get("negatives", ())}
    if not scores and len(others) < 2:
        found = "there are no rows" if not rows else "all rows have the same second text"
        raise DataError(f"Pairs are learned by telling a text's partner from others, and {found}.", "Give more rows.")


def _required_score(row: Mapping[str, Any], index: int) -> float:
    if "score" not in row:
        raise DataError(f"Row {index + 1} has no score.", "Give every row one, or leave the row out.")
    return float(row["score"])
