"""The items of a batch that answers are told apart from, and how likely each was to be among them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tunesmith.core.contracts import Batch, Feature


def candidates_of(features: Sequence[Feature], share: np.ndarray, drawn: int) -> Batch:
    """What a batch learns from: in-batch negatives, and further ones drawn by how often they are taken.

    The draw depends on the batch alone, so that a run that goes on after a break draws the same.

    Args:
        features: with ``target`` (a code) and ``seen`` (codes).
        share: [items], of all events; 0 for items that nobody took, which are never drawn: they would be pushed away
            for being new.
        drawn: further negatives.

    Returns:
        ``candidates`` [n], ``log_q`` float32 [n], ``hidden`` bool [rows, n], ``labels`` [rows].
    """
    targets = np.array([feature["target"] for feature in features], np.int64)
    flat = np.sqrt(share)
    flat /= max(flat.sum(), 1e-12)
    seed = [int(feature["row"]) for feature in features]
    generator = np.random.default_rng(np.array(seed, np.uint64))
    more = np.searchsorted(np.cumsum(flat), generator.random(drawn)).clip(max=len(share) - 1)
    candidates = np.unique(np.concatenate([targets, more[share[more] > 0]]))
    absent = len(targets) * np.log1p(-share[candidates].clip(max=1 - 1e-6))
    absent += drawn * np.log1p(-flat[candidates].clip(max=1 - 1e-6))
    log_q = np.log(np.maximum(-np.expm1(absent), 1e-9))
    place = np.full(len(share), -1, np.int64)
    place[candidates] = np.arange(len(candidates))
    hidden = np.zeros((len(features), len(candidates)), bool)
    for i, feature in enumerate(features):
        taken = place[feature["input_ids"][feature["input_ids"] > 0] - 1]
        hidden[i, taken[taken >= 0]] = True
    labels = place[targets]
    hidden[np.arange(len(features)), labels] = False
    return {"candidates": candidates, "log_q": log_q.astype(np.float32), "hidden": hidden, "labels": labels}
