"""Vectors of many short texts by a frozen sentence encoder: computed once, kept on disk by what they were made from."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tunesmith.models.cache import cache_folder

BATCH = 64


def text_vectors(
    encoder: Any,
    processor: Any,
    texts: Sequence[str],
    *,
    pooling: str,
    max_length: int,
    model_hash: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """One vector of length 1 a text, 0 where a text is empty: float32 [texts, width].

    Args:
        encoder: a transformers encoder.
        processor: its tokenizer.
        pooling: "mean" of the tokens, or "cls", the first one.
        max_length: tokens of a text that are read.
        model_hash: of the encoder's weights; "": the vectors are not kept.
    """
    if not model_hash:
        return _computed(encoder, processor, texts, pooling, max_length, progress)
    digest = hashlib.blake2b(f"{model_hash}|{pooling}|{max_length}|1".encode(), digest_size=20)
    for text in texts:
        digest.update(f"{len(text)}:{text}".encode("utf-8", "surrogatepass"))
    path = cache_folder("features") / f"{digest.hexdigest()}.npy"
    if not path.is_file():
        made = _computed(encoder, processor, texts, pooling, max_length, progress)
        part = path.with_suffix(f".{os.getpid()}.part")
        with part.open("wb") as file:
            np.save(file, made, allow_pickle=False)
        part.replace(path)
    kept: np.ndarray = np.load(path, allow_pickle=False)
    return kept


def _computed(
    encoder: Any,
    processor: Any,
    texts: Sequence[str],
    pooling: str,
    max_length: int,
    progress: Callable[[int, int], None] | None,
) -> np.ndarray:
    import torch

    found = np.zeros((len(texts), int(encoder.config.hidden_size)), np.float32)
    filled = [i for i, text in enumerate(texts) if text.strip()]
    ids = [processor(texts[i][: max_length * 20], truncation=True, max_length=max_length)["input_ids"] for i in filled]
    order = sorted(range(len(filled)), key=lambda k: -len(ids[k]))
    pad = processor.pad_token_id or 0
    with torch.inference_mode():
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            longest = len(ids[chosen[0]])
            tokens = torch.full((len(chosen), longest), pad)
            mask = torch.zeros((len(chosen), longest), dtype=torch.long)
            for line, k in enumerate(chosen):
                tokens[line, : len(ids[k])] = torch.tensor(ids[k])
                mask[line, : len(ids[k])] = 1
            states = encoder(input_ids=tokens, attention_mask=mask).last_hidden_state.float()
            weights = mask[..., None].float()
            pooled = states[:, 0] if pooling == "cls" else (states * weights).sum(1) / weights.sum(1).clamp(min=1)
            found[[filled[k] for k in chosen]] = torch.nn.functional.normalize(pooled, dim=-1).numpy()
            if progress is not None:
                progress(start + len(chosen), len(order))
    return found
