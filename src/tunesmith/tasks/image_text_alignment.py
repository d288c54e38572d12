"""A vector of a text near those of its pictures: a small CLIP of two encoders that exist."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from pydantic import BaseModel, Field

from tunesmith.core.contracts import Batch, Column, Evidence, Feature, Prediction, Row, Runtime
from tunesmith.core.errors import DataError
from tunesmith.tasks.multimodal import ENCODERS, MultimodalTask, Rate
from tunesmith.tasks.retrieval import retrieval_evidence

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig, PreTrainedTokenizerBase


class AlignedPrediction(BaseModel):
    """The text's vector and the picture's, each None where it is missing, and their cosine where both are there."""

    vector: list[float] | None
    vector_pair: list[float] | None
    score: float | None


class ImageTextAlignment(MultimodalTask):
    """A text and its picture in one space; it names pictures of kinds that it was never taught, and finds them.

    Args:
        image: the encoder of pictures: a packaged name, a hub id or a folder.
        hidden: width of the vectors.
        dropout: share of numbers that training leaves out before the vectors.
        scale: what cosines are multiplied by in training.
        augment: how pictures of training rows are changed where encoders are trained, by names of
            ``data/media/vary``; "none".
    """

    name: ClassVar[str] = "image-text-alignment"
    summary: ClassVar[str] = "vectors of texts and pictures in one space, for labels never seen and for search"
    pipeline_tag: ClassVar[str] = "zero-shot-image-classification"
    columns: ClassVar[tuple[Column, ...]] = (
        Column("text", required=False),
        Column("image", "image", required=False),
        Column("pair", "any", required=False, target=True),
    )
    one_vector: ClassVar[bool] = False
    metrics: ClassVar[tuple[str, ...]] = ("mrr", "recall_at_1", "recall_at_10")
    inputs: ClassVar[tuple[str, ...]] = ("text", "image")
    training: ClassVar[Mapping[str, Any]] = {
        "head": {"learning_rate": 1e-3, "epochs": 30, "batch_size": 128, "weight_decay": 0.05},
    }

    def __init__(
        self,
        image: str = ENCODERS["image"],
        hidden: Annotated[int, Field(ge=8, multiple_of=4)] = 256,
        dropout: Rate = 0.2,
        scale: Annotated[float, Field(gt=0)] = 20.0,
        augment: list[str] | None = None,
    ) -> None:
        super().__init__(image, hidden=hidden, dropout=dropout, modality_dropout=0.0, augment=augment or "none")
        self.scale = scale

    def learn(self, rows: Iterable[Row]) -> dict[str, Any]:
        """That there are pairs; a row that lacks a side is refused."""
        rows = list(rows)
        for i, row in enumerate(rows):
            if not row.get("text") or not row.get("image"):
                raise DataError(f"Training row {i + 1} lacks its text or its picture.", "Give rows that have both.")
        if len({row["text"] for row in rows}) < 2:
            raise DataError("The training rows have fewer than two texts.", "Give pairs of pictures and texts.")
        self.restore({"modalities": ["text", "image"], "numeric": {}, "kinds": {}})
        self.restore({**self.state, **self._resolved()})
        return self.state

    def configure(self, config: PretrainedConfig) -> None:
        """What the model is made of; it has no classes."""
        config.num_labels = 1
        self.compose(config)
        config.multimodal = {**config.multimodal, "end": "aligned"}

    def target(self, row: Row) -> Any:
        """Nothing: what belongs together is the row itself."""
        return 0

    def targets(self, rows: Sequence[Row]) -> list[Any]:
        """A number a text; equal texts have the same."""
        numbers: dict[str, int] = {}
        return [numbers.setdefault(str(row.get("text")), len(numbers)) for row in rows]

    def encode(
        self, rows: Sequence[Row], processor: PreTrainedTokenizerBase, *, max_length: int, targets: bool
    ) -> list[Feature]:
        """As of all rows of several modalities; in training, a text is its first window."""
        features = super().encode(rows, processor, max_length=max_length, targets=targets)
        return [next(group) for _, group in groupby(features, key=lambda f: f["row"])] if targets else features

    def loss(self, outputs: Any, batch: Batch) -> torch.Tensor:
        """InfoNCE in both directions."""
        from tunesmith.models.aligned import contrast

        vectors = outputs.logits.float()
        same = (batch["labels"].unsqueeze(0) == batch["labels"].unsqueeze(1)).float()
        return contrast(vectors[:, 0], vectors[:, 1], same, self.scale)

    def infer(self, runtime: Runtime, batch: Batch) -> list[np.ndarray]:
        """[2, hidden] a feature: the text's vector and the picture's."""
        return list(runtime.forward({key: value for key, value in batch.items() if key != "labels"})["logits"])

    def decode(self, outputs: Sequence[np.ndarray], features: Sequence[Feature]) -> list[Prediction]:
        """Vectors of length 1; of a long text the mean of its windows."""
        predictions: list[Prediction] = []
        for _, group in groupby(zip(features, outputs, strict=True), key=lambda pair: pair[0]["row"]):
            members = list(group)
            there = members[0][0]["present"] > 0
            mean = np.mean([arrays for _, arrays in members], axis=0)
            sides = [_unit(vector) if is_there else None for vector, is_there in zip(mean, there, strict=True)]
            both = None if sides[0] is None or sides[1] is None else float(np.dot(sides[0], sides[1]))
            first, second = (None if side is None else [float(x) for x in side] for side in sides)
            predictions.append({"vector": first, "vector_pair": second, "score": both})
        return predictions

    def answer(self, logits: np.ndarray) -> Prediction:
        """Not asked: ``decode`` answers."""
        raise NotImplementedError

    def left_out(self, rows: Sequence[Row]) -> Mapping[str, Mapping[str, Sequence[Row]]]:
        """Nothing: a pair is both."""
        return {}

    def evidence(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Evidence:
        """Each text asks for its picture among all: ``rank``, ``hit``, ``confidence``, ``true``, ``predicted_as``."""
        for i, prediction in enumerate(predictions):
            if prediction["score"] is None:
                raise DataError(f"Row {i + 1} lacks its text or its picture.", "Measure on rows that have both.")
        texts, pictures = [str(row["text"]) for row in rows], [str(row["image"]) for row in rows]
        return retrieval_evidence(texts, pictures, predictions, self.scale)

    def response_model(self) -> type[BaseModel]:
        """Both vectors, the cosine."""
        return AlignedPrediction


def _unit(vector: np.ndarray) -> np.ndarray:
    made: np.ndarray = vector / max(float(np.linalg.norm(vector)), 1e-12)
    return made
