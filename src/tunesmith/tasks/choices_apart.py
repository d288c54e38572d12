"""A question's text and its choices read apart, as vectors of a sentence encoder: what is near is right.

A sentence encoder knows before any training what belongs together, which a fresh head on both texts must learn; and
it reads a long text once for all choices.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tunesmith.core.contracts import Batch, Feature, Runtime
from tunesmith.tasks.passages import MARGIN, encoded, places_of, slices
from tunesmith.tasks.sequence import padded
from tunesmith.tasks.vectors import pooled, text_vectors, unit

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

OVERLAP = 0.125
"""Share of a window's text that the next one repeats."""
INPUTS = ("input_ids", "attention_mask", "token_type_ids")


class Apart:
    """The text to read, beside question and choice; without a text, the question beside a choice.

    Args:
        pooling: how tokens become a vector, "mean" or "cls".
        prompts: what stands before a "query" and before a "passage".
        scale: what cosines are multiplied by.
    """

    auto_model: ClassVar[str] = "AutoModel"
    pooled: ClassVar[bool] = False

    def __init__(self, pooling: str, prompts: Mapping[str, str], scale: float) -> None:
        self.pooling = pooling
        self.prompts = prompts
        self.scale = scale

    def features(
        self, rows: Sequence[Mapping[str, Any]], first: int, processor: PreTrainedTokenizerBase, max_length: int
    ) -> list[Feature]:
        """``sequences``: the text's window (or the question), then one a choice."""
        query, passage = self.prompts["query"], self.prompts["passage"]
        front = len(places_of([passage], processor)[0]) if passage else 0
        room = max(1, max_length - processor.num_special_tokens_to_add() - front - MARGIN)
        contexts = places_of([row["context"] for row in rows], processor)
        texts: list[str] = []
        windows: list[tuple[int, int, int]] = []  # row, where it starts, place of its first text
        for i, row in enumerate(rows):
            about = f"{row['question']} " if row["context"] else ""
            choices = [f"{query}{about}{choice}" for choice in row["choices"]]
            pieces = slices(contexts[i], len(row["context"]), room, OVERLAP) if row["context"] else [(0, 0)]
            for start, end in pieces:
                windows.append((i, start, len(texts)))
                texts += [passage + row["context"][start:end] if row["context"] else query + row["question"], *choices]
        sequences = encoded(texts, None, processor, max_length)
        for one in sequences:
            del one["places"]
        features: list[Feature] = []
        for i, start, at in windows:
            own = sequences[at : at + 1 + len(rows[i]["choices"])]
            longest = max(own, key=lambda one: len(one["input_ids"]))
            features.append({"row": first + i, **longest, "offset": start, "sequences": own})
        return features

    def collate(self, features: Sequence[Feature], processor: PreTrainedTokenizerBase) -> Batch:
        """Arrays [texts, longest]; ``places`` [features, 1 + most choices]: whose texts they are, -1 for none."""
        most = max(len(feature["sequences"]) for feature in features)
        places = np.full((len(features), most), -1, dtype=np.int64)
        at = 0
        for row, feature in zip(places, features, strict=True):
            row[: len(feature["sequences"])] = np.arange(at, at + len(feature["sequences"]))
            at += len(feature["sequences"])
        texts = [sequence for feature in features for sequence in feature["sequences"]]
        return {**padded(texts, processor), "places": places}

    def scores(self, outputs: Any, batch: Batch) -> torch.Tensor:
        """[features, most choices]: scaled cosines; the least there is where a row has no such choice."""
        import torch
        from torch.nn.functional import normalize

        vectors = getattr(outputs, "vectors", None)
        if vectors is None:
            vectors = pooled(outputs.last_hidden_state, batch["attention_mask"], self.pooling)
        own = normalize(vectors.float(), dim=-1)[batch["places"].clamp(min=0)]
        cosines = (own[:, :1] * own[:, 1:]).sum(-1)
        return (self.scale * cosines).masked_fill(batch["places"][:, 1:] < 0, torch.finfo(torch.float32).min)

    def forward(self, model: Any, batch: Batch) -> Any:
        """``vectors`` [texts, width]; choices are not padded to the length of texts."""
        return SimpleNamespace(vectors=self._vectors(lambda part: model(**part).last_hidden_state, batch))

    def _vectors(self, states_of: Callable[[Batch], Any], batch: Batch) -> Any:
        return text_vectors(states_of, {key: batch[key] for key in INPUTS if key in batch}, self.pooling)

    def infer(self, runtime: Runtime, batch: Batch) -> list[np.ndarray]:
        """[choices] a feature: the scores of the row's own choices."""
        vectors = unit(self._vectors(lambda part: runtime.forward(part)["last_hidden_state"], batch))
        own = [vectors[places[places >= 0]] for places in batch["places"]]
        return [np.float32(self.scale) * (texts[1:] @ texts[0]) for texts in own]
