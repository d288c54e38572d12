"""Vectors of a frozen backbone: computed once, kept on disk, found again by what they were computed from."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tunesmith.core.contracts import Feature
from tunesmith.models.tensors import tensors

Collate = Callable[[Sequence[Feature]], dict[str, Any]]


def key(features: Sequence[Feature], model_hash: str, precision: str) -> str:
    """What the vectors depend on, as a name: the weights, the tokens, the precision."""
    digest = hashlib.blake2b(f"{model_hash}|{precision}|1".encode(), digest_size=20)
    for feature in features:
        digest.update(len(feature["input_ids"]).to_bytes(4, "little"))
        digest.update(np.ascontiguousarray(feature["input_ids"]).tobytes())
        if "token_type_ids" in feature:
            digest.update(np.ascontiguousarray(feature["token_type_ids"]).tobytes())
    return digest.hexdigest()


def vectors(
    model: Any,
    features: Sequence[Feature],
    collate: Collate,
    *,
    folder: Path,
    model_hash: str,
    device: str = "cpu",
    precision: str = "fp32",
    batch_tokens: int = 16384,
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """One vector of each feature, float32 [features, width], mapped from disk: see ``text_vectors``.

    Args:
        model: a transformers model with a head; only its backbone runs.
        folder: where vectors are kept.
        model_hash: of the backbone's weights, as it is.
        batch_tokens: padded tokens computed together.
    """
    path = folder / f"{key(features, model_hash, precision)}.npy"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        made = _compute(model, features, collate, device, precision, batch_tokens, progress)
        part = path.with_suffix(f".{os.getpid()}.part")
        with part.open("wb") as file:
            np.save(file, made, allow_pickle=False)
        part.replace(path)
    return np.load(path, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]


def backbone_of(model: Any) -> tuple[Any, bool]:
    """What reads a text, and whether its first token has seen all of it.

    Of an encoder and a decoder the encoder. The first token of encoders that were trained by masks has seen the text;
    that of a causal model has seen itself alone, and that of T5's encoder stands for itself.
    """
    from transformers import MODEL_FOR_MASKED_LM_MAPPING

    backbone = model.base_model
    config = getattr(backbone, "config", model.config)
    if getattr(config, "is_encoder_decoder", False):
        return backbone.get_encoder(), False
    return backbone, type(config) in MODEL_FOR_MASKED_LM_MAPPING


def text_vectors(states: Any, mask: Any, *, first: bool) -> Any:
    """One vector a text, [rows, width]: the first token's, or the mean over its tokens.

    Args:
        states: last hidden states, [rows, length, width].
        mask: 1 where a token is, [rows, length]; None: everywhere.
    """
    if first:
        return states[:, 0]
    if mask is None:
        return states.mean(dim=1)
    weights = mask.unsqueeze(-1).to(states.dtype)
    return (states * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)


def _compute(
    model: Any,
    features: Sequence[Feature],
    collate: Collate,
    device: str,
    precision: str,
    batch_tokens: int,
    progress: Callable[[int, int], None] | None,
) -> np.ndarray:
    import torch

    backbone, first = backbone_of(model.eval().to(device))
    made = np.empty((len(features), model.config.hidden_size), dtype=np.float32)
    order = np.argsort([-len(feature["input_ids"]) for feature in features], kind="stable")
    kind = device.split(":")[0]
    done = 0
    with torch.inference_mode(), torch.autocast(kind, torch.bfloat16, enabled=precision == "bf16"):
        while done < len(order):
            size = max(1, min(256, batch_tokens // len(features[order[done]]["input_ids"])))
            chosen = order[done : done + size]
            batch = tensors(collate([features[i] for i in chosen]), device)
            inputs = {name: value for name, value in batch.items() if name != "labels"}
            states = backbone(**inputs).last_hidden_state.float()
            made[chosen] = text_vectors(states, batch.get("attention_mask"), first=first).cpu().numpy()
            done += len(chosen)
            if progress is not None:
                progress(done, len(order))
    return made
