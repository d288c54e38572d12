"""Each choice read together with its question and text, in one sequence, by a head of transformers' own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tunesmith.core.contracts import Batch, Feature, Runtime
from tunesmith.tasks.passages import encoded, half, places_of, room_beside, shortened, slices
from tunesmith.tasks.sequence import padded

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

OVERLAP = 0.125
"""Share of a window's text that the next one repeats."""


class Together:
    """The text, then the question and a choice; without a text, the question, then a choice."""

    auto_model: ClassVar[str] = "AutoModelForMultipleChoice"
    pooled: ClassVar[bool] = True

    def features(
        self, rows: Sequence[Mapping[str, Any]], first: int, processor: PreTrainedTokenizerBase, max_length: int
    ) -> list[Feature]:
        """``sequences``: one a choice. The text is divided so that it fits beside the longest choice."""
        limit = half(max_length, processor)
        asked = [row["question"] for row in rows]
        questions = [
            shortened(text, places, limit // 2) for text, places in zip(asked, places_of(asked, processor), strict=True)
        ]
        contexts = places_of([row["context"] for row in rows], processor)
        jobs: list[tuple[int, int, str, str]] = []  # row, where its window starts, both texts
        for i, (row, question) in enumerate(zip(rows, questions, strict=True)):
            asides = [f"{question} {choice}" for choice in row["choices"]]
            sizes = places_of(asides, processor)
            asides = [shortened(text, places, limit) for text, places in zip(asides, sizes, strict=True)]
            if not row["context"]:
                jobs += [(i, 0, question, choice) for choice in row["choices"]]
                continue
            room = room_beside(min(limit, max(map(len, sizes))), max_length, processor)
            for start, end in slices(contexts[i], len(row["context"]), room, OVERLAP):
                jobs += [(i, start, row["context"][start:end], aside) for aside in asides]
        sequences = encoded([job[2] for job in jobs], [job[3] for job in jobs], processor, max_length)
        features: list[Feature] = []
        for (i, start), group in groupby(zip(jobs, sequences, strict=True), key=lambda pair: pair[0][:2]):
            own = [{key: value for key, value in one.items() if key != "places"} for _, one in group]
            longest = max(own, key=lambda one: len(one["input_ids"]))
            features.append({"row": first + i, **longest, "offset": start, "sequences": own})
        return features

    def collate(self, features: Sequence[Feature], processor: PreTrainedTokenizerBase) -> Batch:
        """Arrays [features, most choices, longest]; a choice that a row does not have is one token long."""
        most = max(len(feature["sequences"]) for feature in features)
        lacking = {key: value[:1] for key, value in features[0]["sequences"][0].items()}
        sequences = [
            sequence
            for feature in features
            for sequence in [*feature["sequences"], *[lacking] * (most - len(feature["sequences"]))]
        ]
        return {key: value.reshape(-1, most, value.shape[1]) for key, value in padded(sequences, processor).items()}

    def scores(self, outputs: Any, batch: Batch) -> torch.Tensor:
        """[features, most choices] in fp32; the least there is where a row has no such choice."""
        import torch

        lacking = batch["attention_mask"].sum(-1) <= 1
        scores: torch.Tensor = outputs.logits.float().masked_fill(lacking, torch.finfo(torch.float32).min)
        return scores

    def forward(self, model: Any, batch: Batch) -> Any:
        """The model's own outputs."""
        return model(**{key: value for key, value in batch.items() if key != "labels"})

    def infer(self, runtime: Runtime, batch: Batch) -> list[np.ndarray]:
        """[choices] a feature: the scores of the row's own choices."""
        logits = runtime.forward({key: value for key, value in batch.items() if key != "labels"})["logits"]
        there = batch["attention_mask"].sum(-1) > 1
        return [array[own] for array, own in zip(logits, there, strict=True)]
