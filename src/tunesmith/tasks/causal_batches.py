"""Batches of a causal model: padded on the right to learn and to score, on the left to write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tunesmith.core.contracts import Batch, Feature
from tunesmith.tasks.fitted import last_answer
from tunesmith.tasks.sequence import padded, padding_id


def filled_right(features: Sequence[Feature], processor: Any) -> Batch:
    """``input_ids``, ``attention_mask`` and ``labels`` (-100 where nothing is learned), [features, longest]."""
    batch = padded(features, processor)
    labels = np.full_like(batch["input_ids"], -100)
    for i, feature in enumerate(features):
        labels[i, : len(feature["target"])] = feature["target"]
    return {**batch, "labels": labels}


def filled_left(prompts: Sequence[np.ndarray], processor: Any) -> Batch:
    """``input_ids`` and ``attention_mask``, int64 [prompts, longest]: every prompt ends in the last column."""
    return _left(prompts, padding_id(processor))


def prompts_of(batch: Batch) -> Batch:
    """Of a batch with ``labels``, what stands before the last answer of each row, padded on the left."""
    prompts = []
    for ids, labels, mask in zip(batch["input_ids"], batch["labels"], batch["attention_mask"], strict=True):
        first = last_answer(np.asarray(labels))
        prompts.append(ids[: min(first, int(mask.sum()))])
    padding = batch["input_ids"][batch["attention_mask"] == 0]
    return _left(prompts, int(padding[0]) if len(padding) else 0)


def _left(prompts: Sequence[np.ndarray], padding: int) -> Batch:
    longest = max(1, *(len(prompt) for prompt in prompts))
    ids = np.full((len(prompts), longest), padding, dtype=np.int64)
    mask = np.zeros_like(ids)
    for i, prompt in enumerate(prompts):
        ids[i, longest - len(prompt) :] = prompt
        mask[i, longest - len(prompt) :] = 1
    return {"input_ids": ids, "attention_mask": mask}
