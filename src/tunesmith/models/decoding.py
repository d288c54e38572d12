"""How a model writes, in transformers' words, and what it wrote."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tunesmith.core.contracts import Decoding

if TYPE_CHECKING:
    import numpy as np


def options(decoding: Decoding) -> dict[str, Any]:
    """Keyword arguments of ``GenerationConfig``. Stop strings are the task's: it cuts the text before them.

    >>> options(Decoding(max_new_tokens=8))["do_sample"]
    False
    """
    found: dict[str, Any] = {
        "max_new_tokens": decoding.max_new_tokens,
        "min_new_tokens": decoding.min_new_tokens,
        "num_beams": decoding.beams,
        "repetition_penalty": decoding.repetition_penalty,
        "no_repeat_ngram_size": decoding.no_repeat_ngram,
        "do_sample": decoding.temperature > 0,
    }
    if decoding.beams > 1:
        found["length_penalty"] = decoding.length_penalty
    if decoding.temperature > 0:
        found |= {"temperature": decoding.temperature, "top_p": decoding.top_p, "top_k": decoding.top_k}
    return found


def written(model: Any, batch: Mapping[str, Any], decoding: Decoding, copies: int = 1) -> list[np.ndarray]:
    """The ids that ``model`` writes after each row of a batch, without padding; the end token stays.

    The model's own generation settings (special tokens) hold where ``decoding`` is silent; torch's generator is as it
    was before where a seed is given.

    Args:
        batch: ``input_ids`` and ``attention_mask`` as tensors, a causal model's prompts padded on the left.
        copies: texts to each row, those of a row beside each other; of a causal model, which reads each prompt once.
    """
    import torch

    asked = {key: batch[key] for key in ("input_ids", "attention_mask")}
    rooms = _rooms(model, asked["attention_mask"], decoding.max_new_tokens)
    found: list[Any] = [None] * len(rooms) * copies
    with torch.random.fork_rng() if decoding.seed is not None else nullcontext():
        if decoding.seed is not None:
            torch.manual_seed(decoding.seed)
        for room in sorted(set(rooms), reverse=True):
            rows = [row for row, its in enumerate(rooms) if its == room]
            some = asked if len(rows) == len(rooms) else _of_rows(asked, rows)
            own = replace(decoding, max_new_tokens=room, min_new_tokens=min(room, decoding.min_new_tokens))
            texts = iter(_written(model, some, own, copies))
            for row in rows:
                found[row * copies : (row + 1) * copies] = [next(texts) for _ in range(copies)]
    return found


def _written(model: Any, asked: Mapping[str, Any], decoding: Decoding, copies: int) -> list[np.ndarray]:
    """The same for rows that all have room for as many tokens."""
    from transformers import GenerationConfig

    base = model.generation_config
    config = GenerationConfig(  # type: ignore[no-untyped-call]
        **options(decoding),
        bos_token_id=base.bos_token_id,
        eos_token_id=ends_of(base, decoding.ends),
        pad_token_id=_padding(model),
        decoder_start_token_id=base.decoder_start_token_id,
        forced_bos_token_id=base.forced_bos_token_id,
        suppress_tokens=base.suppress_tokens,
    )
    ids = model.generate(**(asked if copies == 1 else _copied(model, asked, copies)), generation_config=config)
    skipped = 1 if model.config.is_encoder_decoder else asked["input_ids"].shape[1]
    return [_ended(row, config.eos_token_id or []) for row in ids[:, skipped:].cpu().numpy()]


def _of_rows(asked: Mapping[str, Any], rows: Sequence[int]) -> dict[str, Any]:
    """Some rows of a batch that is padded on the left, as wide as the longest of them."""
    places = list(rows)
    widest = int(asked["attention_mask"][places].sum(1).max())
    return {name: tensor[places, -widest:] for name, tensor in asked.items()}


def _copied(model: Any, asked: Mapping[str, Any], copies: int) -> dict[str, Any]:
    """Each prompt ``copies`` times, with what the model remembers of all but its last token."""
    import torch
    from transformers import DynamicCache

    memory = DynamicCache(config=model.config)
    if asked["input_ids"].shape[1] > 1:
        read = {name: tensor[:, :-1] for name, tensor in asked.items()}
        places = (read["attention_mask"].cumsum(-1) - 1).clamp(min=0)
        with torch.no_grad():
            model(**read, position_ids=places, past_key_values=memory, use_cache=True, logits_to_keep=1)
        memory.batch_repeat_interleave(copies)
    return {**{name: tensor.repeat_interleave(copies, 0) for name, tensor in asked.items()}, "past_key_values": memory}


def ends_of(settings: Any, more: Iterable[int] = ()) -> list[int] | None:
    """Ids that end a text: of a model's generation settings, and more; None where there are none.

    >>> from types import SimpleNamespace
    >>> ends_of(SimpleNamespace(eos_token_id=2), [7, 2])
    [2, 7]
    """
    own = settings.eos_token_id
    found = [*(own if isinstance(own, list) else [] if own is None else [own]), *more]
    return list(dict.fromkeys(found)) or None


def _rooms(model: Any, mask: Any, wanted: int) -> list[int]:
    """Tokens that may be written to each row: a causal model's positions hold the prompt, too, without its padding."""
    limit = None if model.config.is_encoder_decoder else getattr(model.config, "max_position_embeddings", None)
    if limit is None:
        return [wanted] * len(mask)
    return [max(1, min(wanted, limit - read)) for read in mask.sum(1).tolist()]


def _padding(model: Any) -> int:
    """What fills the rows that have ended; a causal model without an id for it uses its end token."""
    ends = model.generation_config.eos_token_id
    last = ends[0] if isinstance(ends, list) else ends
    found = (model.generation_config.pad_token_id, getattr(model.config, "pad_token_id", None), last, 0)
    return int(next(token for token in found if token is not None))


def _ended(ids: np.ndarray, ends: list[Any]) -> np.ndarray:
    """Up to the first end token: what follows is padding."""
    for place, token in enumerate(ids.tolist()):
        if token in ends:
            return ids[: place + 1]
    return ids
