"""A bundle's words in vLLM's: how its engine is opened, how a text is written, and what a batch's rows are.

The names are those of vLLM 0.33's ``LLM`` and ``SamplingParams``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tunesmith.core.contracts import Batch, Decoding
from tunesmith.core.errors import RecipeError

TORCH = "Take --runtime torch."
TYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
"""A precision -> vLLM's word."""
WARMEST = 2.0
"""vLLM takes no temperature above it."""
IGNORED = -100
"""The label of a place that is none."""


def engine_options(folder: Path, precision: str) -> dict[str, Any]:
    """Keyword arguments of ``vllm.LLM``: this folder alone, its safetensors, and no code of its own.

    The context is as long as the model's, or as the GPU has room for.

    Raises:
        RecipeError: vLLM has no such precision.
    """
    if precision not in TYPES:
        raise RecipeError(f"The runtime vllm computes in {', '.join(TYPES)}, not in {precision}.", "Choose one.")
    return {
        "model": str(folder.resolve()),
        "dtype": TYPES[precision],
        "max_model_len": -1,
        "trust_remote_code": False,
        "load_format": "safetensors",
        "generation_config": "vllm",
        "logprobs_mode": "raw_logprobs",
    }


def sampling_options(decoding: Decoding, ends: Iterable[int], room: int) -> dict[str, Any]:
    """Keyword arguments of ``vllm.SamplingParams``.

    Args:
        decoding: how a text is written.
        ends: tokens that end any text; vLLM's own guess is left out (``ignore_eos``).
        room: tokens that fit behind the prompt.

    Raises:
        RecipeError: vLLM cannot write so.

    >>> sampling_options(Decoding(max_new_tokens=9, stop=("。",)), {2}, room=5)["max_tokens"]
    5
    """
    if why := unable(decoding):
        raise RecipeError(f"The runtime vllm {why}.", f"Set it otherwise, or: {TORCH}")
    most = max(1, min(decoding.max_new_tokens, room))
    found: dict[str, Any] = {
        "max_tokens": most,
        "min_tokens": min(decoding.min_new_tokens, most),
        "temperature": decoding.temperature,
        "repetition_penalty": decoding.repetition_penalty,
        "presence_penalty": decoding.presence_penalty,
        "frequency_penalty": decoding.frequency_penalty,
        "stop": list(decoding.stop),
        "detokenize": bool(decoding.stop),
        "stop_token_ids": sorted({*ends, *decoding.ends}),
        "ignore_eos": True,
    }
    if decoding.temperature > 0:
        # -1 would be no seed to vLLM.
        seed = None if decoding.seed is None else decoding.seed % 2**63
        found |= {"top_p": decoding.top_p, "top_k": max(decoding.top_k, 0), "seed": seed}
    return found


def unable(decoding: Decoding) -> str:
    """Why vLLM cannot write so; "" where it can.

    Its beam search is none of these: it knows one end token, no penalties and no least length, and divides by the
    prompt's length, too.

    >>> unable(Decoding(beams=4))
    'writes without beams; task.beams is 4'
    """
    if decoding.beams > 1:
        return f"writes without beams; task.beams is {decoding.beams}"
    if decoding.no_repeat_ngram:
        return f"cannot keep n-grams from coming twice; task.no_repeat_ngram is {decoding.no_repeat_ngram}"
    if decoding.temperature > WARMEST:
        return f"takes temperatures up to {WARMEST:g}; task.temperature is {decoding.temperature:g}"
    return ""


def score_options() -> dict[str, Any]:
    """Keyword arguments of ``vllm.SamplingParams`` for how likely a prompt is; one token is written, as one must be."""
    return {"max_tokens": 1, "temperature": 0.0, "prompt_logprobs": 0, "detokenize": False, "ignore_eos": True}


def rows_of(batch: Batch, name: str = "input_ids") -> list[list[int]]:
    """Rows of a batch without padding.

    Raises:
        RecipeError: its mask says more than where padding is.
    """
    mask = np.asarray(batch["attention_mask"])
    if mask.ndim != 2 or "position_ids" in batch:
        raise RecipeError("The runtime vllm reads plain rows; these have a mask of their own.", TORCH)
    return [np.asarray(row)[there > 0].tolist() for row, there in zip(batch[name], mask, strict=True)]


def places_of(labels: Sequence[int]) -> list[int]:
    """Where labels are; the first token has nothing before it, and is none.

    >>> places_of([4, -100, 7, 8])
    [2, 3]
    """
    return [place for place, label in enumerate(labels) if place and label != IGNORED]
