"""Two parts of a text: do they stand in their order, or was one put before the other?"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tunesmith.core.contracts import Batch, Feature, Runtime
from tunesmith.data.batches import Drawn
from tunesmith.models.output_names import name_outputs
from tunesmith.objectives.objective import Objective, Scores, at_labels
from tunesmith.objectives.pair_rows import AroundPair, PairRows
from tunesmith.objectives.shelf import Shelf
from tunesmith.tasks.sequence import padded

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

HEAD = "pair_head"
"""The layer that a mixture puts on its model for objectives of pairs."""


class SentenceOrder(Objective):
    """Neighbouring parts of a document, of whole sentences each, in order or swapped (ALBERT, Lan et al. 2020, 3.1)."""

    name: ClassVar[str] = "sentence-order"
    summary: ClassVar[str] = "whether two neighbouring parts of a text stand in their order"
    auto_model: ClassVar[str] = "AutoModelForSequenceClassification"
    pipeline_tag: ClassVar[str] = "text-classification"
    names: ClassVar[tuple[str, str]] = ("in order", "swapped")

    def configure(self, config: PretrainedConfig) -> None:
        """Two classes."""
        name_outputs(config, self.names)

    def drawn(self, shelf: Shelf, processor: Any, *, max_length: int, seed: int, packed: bool = True) -> Drawn:
        """Pairs of neighbouring parts."""
        return PairRows(shelf, room=max_length - len(AroundPair.of(processor)), seed=seed, whole=packed)

    def pair(self, feature: Feature, label: int) -> tuple[np.ndarray, np.ndarray]:
        """The two texts of a label."""
        pair = feature["first"], feature["second"]
        return pair if label == 0 else pair[::-1]

    def collate(self, features: Sequence[Feature], processor: PreTrainedTokenizerBase) -> Batch:
        """``input_ids``, ``attention_mask``, ``token_type_ids`` where there are; ``labels`` [features]."""
        around = AroundPair.of(processor)
        labels = [int(np.random.default_rng(feature["draw"]).integers(2)) for feature in features]
        joined = [around.joined(*self.pair(f, label)) for f, label in zip(features, labels, strict=True)]
        return {**padded(joined, processor), "labels": np.asarray(labels, dtype=np.int64)}

    def forward(self, model: Any, batch: Batch) -> Any:
        """``logits`` [pairs, 2]; of a mixture's model by its own layer on the first token."""
        from tunesmith.models.masked_head import last_states

        inputs = {key: value for key, value in batch.items() if key != "labels"}
        head = getattr(getattr(model, "module", model), HEAD, None)
        if head is None:
            return model(**inputs)
        states = last_states(model, inputs).states[:, 0].float()
        return SimpleNamespace(logits=head(states))

    def loss(self, outputs: Any, batch: Batch) -> torch.Tensor:
        """Cross-entropy."""
        from torch.nn.functional import cross_entropy

        return cross_entropy(outputs.logits.float(), batch["labels"])

    def scores(self, outputs: Any, batch: Batch) -> Scores:
        """One question a pair."""
        import torch

        logits, labels = outputs.logits.float(), batch["labels"]
        own = logits.log_softmax(-1).gather(-1, labels[:, None])[:, 0]
        return Scores(torch.arange(len(labels)), own, logits.argmax(-1) == labels)

    def infer(self, runtime: Runtime, batch: Batch) -> list[np.ndarray]:
        """[1, 2] a pair: log-probability of the truth, and whether it was told."""
        inputs = {key: value for key, value in batch.items() if key != "labels"}
        logits = runtime.forward(inputs)["logits"]
        return [at_labels(one[None], label[None]) for one, label in zip(logits, batch["labels"], strict=True)]
