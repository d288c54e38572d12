"""Vectors of texts by a frozen encoder: computed once for the same tokens, and kept on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from tunesmith.core.contracts import Feature
from tunesmith.models.encoders.kept import Shelf

TOKENS = 8192
"""Padded tokens that are computed together."""


def text_states(
    encoder: Any, features: Sequence[Feature], kept: Shelf, *, parts: int, pad: int, device: str = "cpu"
) -> list[np.ndarray]:
    """Each feature's states, float32 [1 + parts, width].

    Args:
        encoder: a ``models.multimodal.TextStates``.
        pad: the id that fills short rows.
    """
    keys = [hashlib.blake2b(feature["input_ids"].tobytes(), digest_size=20).hexdigest() for feature in features]
    found = {key: kept.get(key) for key in dict.fromkeys(keys)}
    first = {key: features[i] for i, key in reversed(list(enumerate(keys)))}
    fresh = sorted((key for key, states in found.items() if states is None), key=lambda k: -len(first[k]["input_ids"]))
    encoder.to(device).eval()
    while fresh:
        many = max(1, min(256, TOKENS // len(first[fresh[0]]["input_ids"])))
        some, fresh = fresh[:many], fresh[many:]
        for key, states in zip(some, _computed(encoder, [first[k] for k in some], parts, pad, device), strict=True):
            kept.put(key, states)
            found[key] = states
    return [made for key in keys if (made := found[key]) is not None]


def _computed(encoder: Any, features: list[Feature], parts: int, pad: int, device: str) -> np.ndarray:
    longest = max(len(feature["input_ids"]) for feature in features)
    ids = np.full((len(features), longest), pad, dtype=np.int64)
    mask = np.zeros_like(ids)
    kinds = np.zeros_like(ids) if "token_type_ids" in features[0] else None
    for i, feature in enumerate(features):
        ids[i, : len(feature["input_ids"])] = feature["input_ids"]
        mask[i, : len(feature["input_ids"])] = 1
    with torch.inference_mode():
        given = [torch.from_numpy(array).to(device) for array in (ids, mask)]
        beside = None if kinds is None else torch.from_numpy(kinds).to(device)
        made: np.ndarray = encoder(*given, beside, parts).float().cpu().numpy()
    return made
