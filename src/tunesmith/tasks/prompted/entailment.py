"""The label whose description follows from the text, where the model knows what follows from what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tunesmith.core.contracts import Batch, Feature, Runtime
from tunesmith.core.errors import ModelError
from tunesmith.tasks.prompted.prompted import Prompted, cut_to
from tunesmith.tasks.sequence import padded

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

FOLLOWS, NOT = ("entail", "蕴含", "蕴涵", "follows"), ("not", "不")


class PromptedEntailment(Prompted):
    """How surely each label's description follows from the text (Yin et al. 2019, section 4).

    The model is a classifier of pairs of texts with a class "entailment": tune one, or take one.

    Args:
        template: Jinja with ``{{ word }}``, the description of a label; None: the plainest that comes along.
        words: label -> its word; None: the label's name, or a known word.
        shots: 0: descriptions need no examples.
        order: of no use here.
        seed: of no use here.
    """

    name: ClassVar[str] = "prompted-entailment"
    summary: ClassVar[str] = "one label a text: the description that follows from it"
    way: ClassVar[str] = "entailment"
    auto_model: ClassVar[str] = "AutoModelForSequenceClassification"
    together: ClassVar[int | None] = 4096

    def configure(self, config: PretrainedConfig) -> None:
        """Find the class that says that one follows from the other.

        Raises:
            ModelError: there is none.
        """
        names = {int(i): str(name).lower() for i, name in (config.id2label or {}).items()}
        found = [i for i, name in names.items() if any(word in name for word in FOLLOWS) and not name.startswith(NOT)]
        if not found:
            raise ModelError(
                f"The model's classes are {', '.join(names.values())}; none of them is entailment.",
                "Tune one on pairs of texts with a class entailment, or take prompted-similarity.",
            )
        self.state = {**self.state, "entails": found[0]}

    def features_of(self, text: str, processor: Any, max_length: int) -> list[Feature]:
        """For each label the text beside the label's description."""
        made = []
        for word in self.label_words:
            told = self.asked(text, word=word)
            room = max_length - len(processor(told, add_special_tokens=False)["input_ids"]) - 4
            asked = cut_to(text, processor, room)
            found = processor(asked, told)
            feature: Feature = {"input_ids": np.asarray(found["input_ids"], dtype=np.int32), "cut": asked != text}
            if "token_type_ids" in found:
                feature["token_type_ids"] = np.asarray(found["token_type_ids"], dtype=np.int8)
            made.append(feature)
        return made

    def collate(self, features: Sequence[Feature], processor: PreTrainedTokenizerBase) -> Batch:
        """Pairs, padded."""
        return padded(features, processor)

    def infer(self, runtime: Runtime, batch: Batch) -> list[np.ndarray]:
        """[1] a pair: the log-odds that it follows."""
        logits = runtime.forward(batch)["logits"].astype(np.float64)
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        follows = (shares / shares.sum(axis=1, keepdims=True))[:, self.state["entails"]].clip(1e-9, 1 - 1e-9)
        return [np.asarray([value]) for value in np.log(follows / (1 - follows))]
