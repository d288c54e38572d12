"""Which items a user will take next: two towers name some of all items, and a ranker orders them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, Field

from tunesmith.core.contracts import Batch, Column, Evidence, Feature, Prediction, Row, Runtime, Task
from tunesmith.core.errors import DataError, ModelError
from tunesmith.data.past import DAY
from tunesmith.tasks.example_request import showing
from tunesmith.tasks.recommending import figures, memory
from tunesmith.tasks.recommending.asked import Reader
from tunesmith.tasks.recommending.draws import candidates_of
from tunesmith.tasks.recommending.lists import Lists
from tunesmith.tasks.recommending.memory import Memory
from tunesmith.tasks.recommending.pools import Allowed, Towers, pool_of
from tunesmith.tasks.recommending.ranker import Ranker, fitted, towers_alone
from tunesmith.tasks.recommending.schemas import RecommendationPrediction, RecommendationRequest

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

TEXT_TOKENS = 64
"""Tokens of an item's text that are read."""
ENCODER = "encoder"
"""The folder of a bundle with the text encoder, for items that are added."""


class Recommendation(Task):
    """A two-tower model on item texts and histories, and a ranker that looks at more (see ``recommending``).

    Args:
        top: items of an answer.
        pool: items that the towers name for the ranker.
        diversity: 0 ranks by score alone, 1 by how unlike the items above are (maximal marginal relevance).
        seen: whether what a user has taken can be recommended again: "exclude" or "include".
        dim: of the vectors.
        heads: of the attention over the history.
        cold_dropout: share of items that are learned without their own residual, as cold items have none.
        negatives: items that are drawn for each batch beside its own.
    """

    name: ClassVar[str] = "recommendation"
    summary: ClassVar[str] = "the items that a user will take next, from histories and item texts"
    columns: ClassVar[tuple[Column, ...]] = (
        Column("user", "any", required=False),
        Column("history", "any", required=False),
        Column("time", "any", required=False),
        Column("candidates", "any", required=False),
        Column("item", "any", target=True),
        Column("rating", "number", required=False, target=True),
    )
    auto_model: ClassVar[str] = "tunesmith.models.two_towers:Loader"
    pipeline_tag: ClassVar[str] = "other"
    metrics: ClassVar[tuple[str, ...]] = (
        "ndcg_at_10", "hit_rate_at_10", "mrr", "cold_hit_rate_at_10", "coverage_at_10", "diversity_at_10",
        "popularity_bias",
    )  # fmt: skip
    pooled: ClassVar[bool] = False
    window: ClassVar[int] = 50
    trained_by: ClassVar[tuple[str, ...]] = ("full",)
    training: ClassVar[Mapping[str, Any]] = {
        "batch_size": 256, "epochs": 8, "learning_rate": 3e-3, "head_learning_rate": None, "layer_decay": 1.0,
    }  # fmt: skip

    def __init__(
        self,
        top: Annotated[int, Field(ge=1, le=1000)] = 10,
        pool: Annotated[int, Field(ge=10, le=5000)] = 200,
        diversity: Annotated[float, Field(ge=0, le=1)] = 0.0,
        seen: Literal["exclude", "include"] = "exclude",
        dim: Annotated[int, Field(ge=4, le=1024)] = 64,
        heads: Annotated[int, Field(ge=1, le=16)] = 4,
        cold_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2,
        negatives: Annotated[int, Field(ge=0, le=100_000)] = 512,
    ) -> None:
        self.top, self.pool, self.diversity, self.seen = top, pool, diversity, seen
        self.dim, self.heads, self.cold_dropout, self.negatives = dim, heads, cold_dropout, negatives
        self.state: dict[str, Any] = {}
        self._tables: Mapping[str, Any] = {}
        self._memory: Memory | None = None
        self._reader: Reader | None = None
        self._source: tuple[Any, Any, str] | None = None

    @property
    def memory(self) -> Memory:
        """What is known of items and users.

        Raises:
            DataError: nothing was learned.
        """
        if self._memory is None:
            raise DataError("The recommender has learned from no log.", "Tune it first.")
        return self._memory

    @property
    def notes(self) -> list[str]:
        """How many items nobody took, and what the ranker was fitted on."""
        known = self.memory
        cold = int((known.popularity.total == 0).sum())
        ranker = self.state.get("ranked_by", 0)
        told = [f"{cold} of {len(known.catalogue)} items stand in no training row: their texts alone place them."]
        if "ranked_by" in self.state:
            told.append(
                f"The ranker was fitted on {ranker} validation rows whose item was in its pool."
                if ranker
                else "Too few validation rows to fit a ranker: items are in the towers' order."
            )
        return told if cold else told[1:]

    def furnish(self, tables: Mapping[str, Any]) -> None:
        """Tables of items and of users; before ``learn``."""
        self._tables = tables

    def learn(self, rows: Iterable[Row]) -> dict[str, Any]:
        """The catalogue, who took what, and what is taken together.

        Raises:
            DataError: there are too few users or items to tell apart.
        """
        self._set(memory.learned(list(rows), self._tables))
        self.state = {"memory": self.memory.to_state()}
        return self.state

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what ``learn`` returned."""
        self.state = dict(state)
        self._set(Memory.of_state(state["memory"]))

    def start_from(self, reference: Any, pooling: str) -> None:
        """Remember the text encoder, which reads the items once it is built."""
        chosen = (reference.pooling or "mean") if pooling == "auto" else pooling
        self._source = (reference, None, chosen if chosen in ("mean", "cls") else "mean")

    def configure(self, config: PretrainedConfig) -> None:
        """The towers' sizes.

        Raises:
            ModelError: the model is no text encoder.
        """
        if config.model_type == "tunesmith-two-towers":
            raise ModelError(
                "A bundle of a recommender is no text encoder to start from.",
                f"Start from the one inside it: model=BUNDLE/{ENCODER}",
            )
        config.two_towers = {
            "items": len(self.memory.catalogue), "dim": self.dim, "heads": self.heads,
            "cold_dropout": self.cold_dropout,
        }  # fmt: skip

    def built(self, model: Any) -> None:
        """Give the model the vectors of the items' texts: computed once, and kept on disk."""
        from tunesmith.models.load import load_processor

        if self._source is None:
            return
        reference, _, pooling = self._source
        processor = load_processor(reference)
        self._source = (reference, (model.text_encoder, processor), pooling)
        self.put_texts(model, self.text_vectors(model.text_encoder, processor, pooling, reference.content_hash))
        model.text_encoder = None

    def text_vectors(self, encoder: Any, processor: Any, pooling: str, key: str = "", first: int = 0) -> np.ndarray:
        """Of the items from a code on: float32 [items, width]."""
        from tunesmith.models.text_vectors import text_vectors

        texts = self.memory.catalogue.texts[first:]
        return text_vectors(encoder, processor, texts, pooling=pooling, max_length=TEXT_TOKENS, model_hash=key)

    def put_texts(self, model: Any, vectors: np.ndarray) -> None:
        """Into the model, with which items are warm."""
        import torch

        warm = np.ascontiguousarray(self.memory.popularity.total > 0)
        model.set_texts(torch.from_numpy(np.ascontiguousarray(vectors)), torch.from_numpy(warm))

    def encode(
        self, rows: Sequence[Row], processor: PreTrainedTokenizerBase, *, max_length: int, targets: bool
    ) -> list[Feature]:
        """A feature a row: the codes of its newest items, counted from 1, and how long ago they were taken."""
        assert self._reader is not None
        return self._reader.features(rows, max_length, targets=targets, exclude=self.seen == "exclude")

    def collate(self, features: Sequence[Feature], processor: PreTrainedTokenizerBase) -> Batch:
        """``input_ids``, ``ages``, ``ratings`` [rows, places], padded in front; what may be answered; to learn, also
        ``candidates``, ``log_q``, ``hidden`` and ``labels``.
        """
        batch: Batch = {
            name: _in_front([feature[name] for feature in features], kind)
            for name, kind in (("input_ids", np.int64), ("ages", np.float32), ("ratings", np.float32))
        }
        batch["seen"] = _in_front([feature["seen"] + 1 for feature in features], np.int64)
        batch["moment"] = np.array([feature["time"] for feature in features], np.float64)
        if any(feature["among"] is not None for feature in features):
            among = [np.zeros(0, np.int64) if f["among"] is None else f["among"] + 1 for f in features]
            batch["among"] = _in_front(among, np.int64)
            # Candidates that are all unknown leave a row of padding, which must not read as "all items".
            batch["chosen"] = np.array([f["among"] is not None for f in features], bool)
        if features and "target" in features[0]:
            batch |= candidates_of(features, self.memory.share, self.negatives)
        return batch

    def loss(self, outputs: Any, batch: Batch) -> torch.Tensor:
        """Cross-entropy of what was taken among the candidates (sampled softmax, corrected by ``log_q``)."""
        from torch.nn.functional import cross_entropy

        return cross_entropy(outputs.logits.float(), batch["labels"])

    def infer(self, runtime: Runtime, batch: Batch) -> list[np.ndarray]:
        """A pool of items for each row, float64 [pool, columns]: see ``recommending.pools``."""
        found = runtime.forward({name: batch[name] for name in ("input_ids", "ages", "ratings")})
        towers = Towers(found["users"], found["table"], found["attention"])
        scores = towers.users @ towers.items.T
        pools = []
        for i, ids in enumerate(batch["input_ids"]):
            among = batch["among"][i] if "chosen" in batch and batch["chosen"][i] else None
            time = None if np.isnan(batch["moment"][i]) else float(batch["moment"][i])
            seen = batch["seen"][i]
            asked = Allowed(time, seen[seen > 0] - 1, None if among is None else among[among > 0] - 1)
            pools.append(pool_of(towers, i, scores[i], ids[ids > 0] - 1, asked, self.memory.known, self.pool))
        return pools

    def comparable(self, one: np.ndarray, other: np.ndarray, feature: Feature) -> tuple[np.ndarray, np.ndarray]:
        """The towers' scores of the items that are in both pools: [items]."""
        _, first, second = np.intersect1d(one[:, 0], other[:, 0], return_indices=True)
        return one[first, 1], other[second, 1]

    @property
    def choosing(self) -> tuple[str, ...]:
        """While training, of the towers alone: the ranker comes after."""
        return ("mrr",)

    def validate(self, predictor: Any, rows: Sequence[Row], features: Sequence[Feature]) -> Evidence:
        """``rank`` of what was taken in the towers' order."""
        pools = predictor.infer(features)
        return {"rank": np.array([_rank(pool, int(f["target"])) for pool, f in zip(pools, features, strict=True)])}

    def choose(self, rows: Sequence[Row], outputs: Sequence[np.ndarray], features: Sequence[Feature]) -> None:
        """Fit the ranker on what was taken next; then the validation rows become part of what is known."""
        known = self.memory.known
        pools, right = [], []
        for pool, feature in zip(outputs, features, strict=True):
            place = np.flatnonzero(pool[:, 0] == feature["target"])
            if len(place):
                pools.append(known.signals(feature["question"], pool))
                right.append(int(place[0]))
        ranker = fitted(known.names, pools, right)
        self._set(self.memory.more(rows))
        self.state = {
            "memory": self.memory.to_state(),
            "ranked_by": len(pools) if ranker else 0,
            **({"ranker": ranker.to_state()} if ranker else {}),
        }

    def decode(self, outputs: Sequence[np.ndarray], features: Sequence[Feature]) -> list[Prediction]:
        """The pool in the ranker's order, with reasons."""
        lists = Lists(self.memory.known, self._ranker(), self.top, self.diversity)
        return [lists.answer(pool, feature) for pool, feature in zip(outputs, features, strict=True)]

    def evidence(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Evidence:
        """See ``recommending.figures``."""
        return figures.evidence(self.memory, rows, predictions)

    def accompany(self, folder: str, config: PretrainedConfig, max_length: int) -> None:
        """The text encoder, as transformers and ``SentenceTransformer`` read it."""
        from tunesmith.models.load import quiet
        from tunesmith.tasks import sentence_transformer

        if self._source is None or self._source[1] is None:
            return
        (encoder, processor), place = self._source[1], Path(folder, ENCODER)
        with quiet():
            encoder.save_pretrained(place)
            processor.save_pretrained(place)
        sentence_transformer.write(
            place, pooling=self._source[2], prompts={"query": "", "passage": ""}, width=encoder.config.hidden_size,
            max_length=TEXT_TOKENS,
        )  # fmt: skip

    def request_model(self) -> type[BaseModel]:
        """A user, a history, or both; the example took the two items that most have taken."""
        if self._memory is None:
            return RecommendationRequest
        known = self.memory
        liked = np.argsort(-known.popularity.total, kind="stable")[:2]
        return showing(RecommendationRequest, {"history": [known.catalogue.ids[code] for code in liked]})

    def response_model(self) -> type[BaseModel]:
        """Items, the best first."""
        return RecommendationPrediction

    def grow(self, found: Memory) -> None:
        """Know more items or more events; the ranker stays."""
        self._set(found)
        self.state = {**self.state, "memory": found.to_state()}

    def _set(self, found: Memory) -> None:
        self._memory = found
        self._reader = Reader(found, DAY)

    def _ranker(self) -> Ranker:
        told, names = self.state.get("ranker"), self.memory.known.names
        return towers_alone(names) if told is None else Ranker.of_state(told).over(names)


def _in_front(arrays: Sequence[np.ndarray], kind: Any) -> np.ndarray:
    """Padded with zeros in front: [rows, longest]."""
    longest = max((len(array) for array in arrays), default=0)
    found = np.zeros((len(arrays), max(1, longest)), kind)
    for i, array in enumerate(arrays):
        if len(array):
            found[i, -len(array) :] = array
    return found


def _rank(pool: np.ndarray, target: int) -> float:
    """The place of an item by the towers' score; infinite where it is not in the pool."""
    at = np.flatnonzero(pool[:, 0] == target)
    return float(1 + (pool[:, 1] > pool[at[0], 1]).sum()) if len(at) else float("inf")
