"""The label whose description is nearest to the text, in a sentence encoder's space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tunesmith.core.contracts import Batch, Feature, Runtime
from tunesmith.tasks import sentence_transformer
from tunesmith.tasks.prompted.prompted import Prompted
from tunesmith.tasks.sequence import padded
from tunesmith.tasks.vectors import pooled, unit

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

TEMPERATURE = 0.05
"""Cosines of sentence encoders lie close together; over this they become probabilities."""


class PromptedSimilarity(Prompted):
    """The cosine of a text and each label's description (Chang et al. 2008, "dataless classification").

    Args:
        template: Jinja with ``{{ word }}``, the description of a label; None: the plainest that comes along.
        words: label -> its word; None: the label's name, or a known word.
        shots: 0: descriptions need no examples.
        order: of no use here.
        seed: of no use here.
    """

    name: ClassVar[str] = "prompted-similarity"
    summary: ClassVar[str] = "one label a text: the description that is nearest to it"
    way: ClassVar[str] = "similarity"
    auto_model: ClassVar[str] = "AutoModel"
    window: ClassVar[int] = 256
    together: ClassVar[int | None] = 8192

    def start_from(self, reference: Any, pooling: str) -> None:
        """Pool as the original does, and put before texts what it was trained to see."""
        known = reference.pooling if pooling == "auto" else pooling
        name = reference.hub_id or reference.name
        prefixes = sentence_transformer.prompts_of(name, Path(reference.path), reference.prefix)
        self.state = {**self.state, "pooling": known if known in ("mean", "cls") else "mean", "prefixes": prefixes}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what was learned; descriptions are read anew."""
        super().restore(state)
        self._told: list[Feature] = []
        self._anchors: dict[int, np.ndarray] = {}

    def features_of(self, text: str, processor: Any, max_length: int) -> list[Feature]:
        """The beginning of the text."""
        prefix = self.state.get("prefixes", {}).get("query", "")
        if not self._told:
            told = [prefix + self.asked("", word=word) for word in self.label_words]
            self._told = [_cut(one, processor, max_length) for one in told]
            self._padding = padded(self._told, processor)
        return [_cut(prefix + text, processor, max_length)]

    def collate(self, features: Sequence[Feature], processor: PreTrainedTokenizerBase) -> Batch:
        """Texts, padded."""
        return padded(features, processor)

    def infer(self, runtime: Runtime, batch: Batch) -> list[np.ndarray]:
        """[labels] a text: the cosines with the labels' descriptions, over the temperature."""
        if id(runtime) not in self._anchors:
            self._anchors = {id(runtime): self._vectors(runtime, self._padding)}
        return list(self._vectors(runtime, batch) @ self._anchors[id(runtime)].T / TEMPERATURE)

    def _vectors(self, runtime: Runtime, batch: Batch) -> np.ndarray:
        states = runtime.forward(batch)["last_hidden_state"]
        return unit(pooled(states, np.asarray(batch["attention_mask"]), self.state.get("pooling", "mean")))

    def accompany(self, folder: str, config: PretrainedConfig, max_length: int) -> None:
        """What ``SentenceTransformer(folder)`` reads."""
        prompts = {side: str(self.state.get("prefixes", {}).get(side, "")) for side in ("query", "passage")}
        sentence_transformer.write(
            Path(folder),
            pooling=self.state["pooling"],
            prompts=prompts,
            width=config.hidden_size,
            max_length=max_length,
        )


def _cut(text: str, processor: Any, max_length: int) -> Feature:
    found = processor(text, truncation=True, max_length=max_length)
    ids = np.asarray(found["input_ids"], dtype=np.int32)
    # Only what fills the window can be cut, and only that is read once more.
    cut = len(ids) == max_length and len(processor(text)["input_ids"]) > max_length
    made: Feature = {"input_ids": ids, "cut": cut}
    if "token_type_ids" in found:
        made["token_type_ids"] = np.asarray(found["token_type_ids"], dtype=np.int8)
    return made
