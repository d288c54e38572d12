"""What objectives share: they are tasks that read texts and nothing else.

    Task.learn, restore, collate, forward ...     as of every task
    Objective.drawn(shelf)      -> features        of a corpus, drawn anew in each epoch
    Objective.scores(outputs)   -> scores          what is measured on held-out text, and compared before and after

``encode`` makes features of a few texts, always the same ones: so a held-out text is asked the same before and after.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from tunesmith.core.contracts import Batch, Column, Evidence, Feature, Prediction, Row, Task
from tunesmith.core.errors import DataError
from tunesmith.data.batches import Drawn
from tunesmith.objectives.masking import IGNORED
from tunesmith.objectives.shelf import Shelf, in_memory
from tunesmith.tasks.sequence import required

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

PROBED = 20261123
"""The seed of what texts are asked outside training: the same in every run."""


class CorpusRequest(BaseModel):
    """A text."""

    model_config = ConfigDict(extra="forbid")
    text: str = Field(min_length=1)


class ObjectivePrediction(BaseModel):
    """How well the objective is solved on a text: the log-likelihood of what was asked, of how much, and what hit."""

    log_likelihood: float
    tokens: int
    right: int


class Scores(NamedTuple):
    """What a batch was asked, one entry for each question: the feature's place, log-likelihood, whether it was hit."""

    owner: torch.Tensor
    log_likelihood: torch.Tensor
    right: torch.Tensor


class Objective(Task):
    """A task without labels. Its training features come from a shelf; see the module."""

    columns: ClassVar[tuple[Column, ...]] = (Column("text"),)
    metrics: ClassVar[tuple[str, ...]] = ("perplexity", "token_accuracy")
    pooled: ClassVar[bool] = False
    together: ClassVar[int | None] = 512
    """Tokens: a probability for each piece of the vocabulary stands at each of them."""
    batch_size: ClassVar[int] = 16
    """Of training, where the recipe does not say."""
    learning_rate: ClassVar[float] = 1e-4
    """Of training on, where the recipe does not say."""
    writes: ClassVar[str] = "encoder"
    """The kind of model: "encoder", "causal" or "seq2seq"."""
    tied: ClassVar[bool] = False
    """Whether the output layer is asked about pieces of the corpus alone: see ``training.kernels.tied``."""
    noisy: ClassVar[bool] = False
    """Whether it is measured with dropout, drawn by a seed: two looks at a text are else the same."""
    packs: ClassVar[bool] = False
    """Whether several documents may share a row, where the model keeps them apart."""
    vectors: ClassVar[bool] = False
    """Whether a text is answered by a vector."""

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}
        self._first_position = 0
        self._positions = True
        self._known: frozenset[str] = frozenset()

    @property
    def lead(self) -> Objective:
        """The part of it that a fresh output layer is learned by, and that answers: itself, unless it has parts."""
        return self

    def learn(self, rows: Iterable[Row]) -> dict[str, Any]:
        """Nothing is learned from rows."""
        return self.state

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what belongs to the objective in this bundle: words without spaces, how positions are counted."""
        self.state = dict(state)
        self._known = frozenset(self.state.get("words", ()))

    def configure(self, config: PretrainedConfig) -> None:
        """There are no labels; how the model counts positions is noted."""

    def built(self, model: Any) -> None:
        """Note how the model counts positions, and whether it keeps several documents in a row apart: tried."""
        from tunesmith.models.kept_apart import keeps_apart

        inner = getattr(model.base_model, "embeddings", None)
        padding = getattr(inner, "padding_idx", None)
        self._first_position = 0 if padding is None else int(padding) + 1
        causal = self.writes == "causal"
        self._positions = self.packs and keeps_apart(
            model, causal=causal, first_position=0 if causal else self._first_position
        )

    def prepare(self, shelf: Shelf, processor: Any) -> None:  # noqa: B027 - few look at the corpus before
        """The corpus that will be learned from, before ``drawn``."""

    @abstractmethod
    def drawn(self, shelf: Shelf, processor: Any, *, max_length: int, seed: int, packed: bool = True) -> Drawn:
        """The features of a corpus, drawn anew in each epoch.

        Args:
            max_length: tokens of a feature.
            seed: with the epoch and a feature's index, all that a draw depends on.
            packed: whether documents may share a row; else ``row`` is the document that a feature is of.
        """

    def encode(
        self, rows: Sequence[Row], processor: PreTrainedTokenizerBase, *, max_length: int, targets: bool
    ) -> list[Feature]:
        """The features of a few texts, the same each time. Targets come from the texts themselves."""
        texts = [str(required(row, "text", i)) for i, row in enumerate(rows)]
        features: list[Feature] = []
        for i, text in enumerate(texts):  # one by one: what a text is asked must not depend on those beside it
            shelf = in_memory([text], processor, self._known)
            drawn = self.drawn(shelf, processor, max_length=max_length, seed=PROBED, packed=False)
            features += [{**drawn[k], "row": i} for k in range(len(drawn))]
        return features

    @abstractmethod
    def scores(self, outputs: Any, batch: Batch) -> Scores:
        """What ``forward`` gave, held against what was asked."""

    def decode(self, outputs: Sequence[np.ndarray], features: Sequence[Feature]) -> list[Prediction]:
        """The sums over a text's features. Outputs are [asked, 2]: log-likelihood and whether it was hit."""
        both = zip(features, outputs, strict=True)
        predictions = []
        for _, group in groupby(both, key=lambda pair: pair[0]["row"]):
            found = np.concatenate([array.reshape(-1, 2) for _, array in group])
            predictions.append(
                {
                    "log_likelihood": float(found[:, 0].sum()),
                    "tokens": len(found),
                    "right": int(found[:, 1].sum()),
                }
            )
        return predictions

    def evidence(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Evidence:
        """``log_likelihood``, ``target_tokens`` and ``target_hits`` of each text."""
        return {
            "log_likelihood": np.array([p["log_likelihood"] for p in predictions], dtype=np.float64),
            "target_tokens": np.array([p["tokens"] for p in predictions], dtype=np.float64),
            "target_hits": np.array([p["right"] for p in predictions], dtype=np.float64),
        }

    def request_model(self) -> type[BaseModel]:
        """A text."""
        return CorpusRequest

    def response_model(self) -> type[BaseModel]:
        """How well the objective is solved."""
        return ObjectivePrediction


def nothing_to_ask(name: str, drawn: Drawn, where: str = "the corpus or in what is held out of it") -> DataError:
    """The error of an objective that was drawn nothing for."""
    why = f": {drawn.left_out_why}" if drawn.left_out else ""
    return DataError(
        f"{name} finds nothing to ask in {where}{why}.",
        "Give longer documents, hold out more (data.hold=0.2, or data.test=FILE), or take another objective.",
    )


def at_labels(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """float64 [asked, 2]: the log-probability of each label that is one, and whether it is the likeliest.

    Args:
        logits: [places, choices].
        labels: [places].
    """
    places = np.flatnonzero(labels != IGNORED)
    some = logits[places].astype(np.float64)
    largest = some.max(axis=-1, keepdims=True) if len(some) else some[:, :1]
    total = np.log(np.exp(some - largest).sum(axis=-1)) + largest[:, 0]
    own = some[np.arange(len(places)), labels[places]]
    return np.stack([own - total, some.argmax(axis=-1) == labels[places]], axis=1)
