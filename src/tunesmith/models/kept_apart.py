"""Several pieces in one row, none of which sees another: the mask for it, and whether a model holds to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tunesmith.core.contracts import Batch

APART = -30000.0
"""Added to the score of a place that is not attended to; finite in every precision."""
MOVED = 1e-3
"""Of the largest logit: more than that is no rounding."""


def apart(lengths: Sequence[Sequence[int]], width: int, first_position: int = 0, *, causal: bool = False) -> Batch:
    """``position_ids`` [rows, width] and an additive ``attention_mask``, float32 [rows, 1, width, width].

    Additive, as plain ("eager") attention adds a mask to the scores whatever its type: of a boolean one that is 0 or 1.

    Args:
        lengths: of the pieces of each row.
        width: of the batch.
        first_position: where a model counts its positions from: 0, or RoBERTa's padding id + 1.
        causal: whether a place sees only those before it.
    """
    positions = np.full((len(lengths), width), max(0, first_position - 1), dtype=np.int64)
    owner = np.full((len(lengths), width), -1, dtype=np.int64)
    for i, sizes in enumerate(lengths):
        start = 0
        for number, size in enumerate(sizes):
            positions[i, start : start + size] = np.arange(first_position, first_position + size)
            owner[i, start : start + size] = number
            start += size
    seen = owner[:, None, :, None] == owner[:, None, None, :]
    if causal:
        seen &= np.tril(np.ones((width, width), dtype=bool))
    return {"position_ids": positions, "attention_mask": np.where(seen, 0.0, APART).astype(np.float32)}


def keeps_apart(model: Any, *, causal: bool = True, first_position: int = 0) -> bool:
    """Whether a model finds two pieces in one row what it finds each alone; tried, on a few tokens.

    False for models that do not add a mask of [rows, 1, length, length], take no positions, or refuse either, and for
    encoders some of whose layers look at what is near: in the place of their own mask they would see a whole piece.

    Args:
        causal: a model that writes, compared by its logits; else an encoder, by its last states.
        first_position: as for ``apart``.
    """
    import torch

    sizes = [6 if causal else 6 + _window(model.config), 5]
    ids = np.random.default_rng(7).integers(0, model.get_input_embeddings().num_embeddings - 1, size=sum(sizes))
    padding = model.config.pad_token_id
    ids += 0 if padding is None else ids >= padding  # some models count no position for it
    batch = {"input_ids": ids[None], **apart([sizes], len(ids), first_position, causal=causal)}
    was, device = model.training, next(model.parameters()).device
    try:
        with torch.no_grad():
            model.eval()
            tensors = {key: torch.from_numpy(array).to(device) for key, array in batch.items()}
            together = _outputs(model, causal, **tensors)
            parts = torch.split(tensors["input_ids"][0], sizes)
            alone = [_outputs(model, causal, input_ids=part[None]) for part in parts]
    except (ValueError, TypeError, RuntimeError, IndexError, AttributeError, AssertionError, KeyError):
        return False
    finally:
        model.train(was)
    return float((together - torch.cat(alone)).abs().max()) <= MOVED * float(together.abs().max())


def _outputs(model: Any, causal: bool, **inputs: Any) -> Any:
    """Of the only row: logits, or last states."""
    return model(**inputs, use_cache=False).logits[0] if causal else model.base_model(**inputs)[0][0]


def _window(config: Any) -> int:
    """Tokens that layers see which look at what is near; 0 where none does."""
    found = [getattr(config, name, None) for name in ("local_attention", "sliding_window")]
    return max((one for one in found if isinstance(one, int)), default=0)
