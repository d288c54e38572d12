"""Small models whose weights are large enough that every token and its place matter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

SIZES = {"vocab_size": 97, "max_position_embeddings": 64, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
LLAMA = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4, **SIZES}
KINDS: dict[str, dict[str, Any]] = {
    "Llama": {**LLAMA, "num_key_value_heads": 2},
    "Qwen2": {**LLAMA, "num_key_value_heads": 4, "tie_word_embeddings": True},
    "Qwen3": {**LLAMA, "num_key_value_heads": 1, "head_dim": 16},
    "Mistral": {**LLAMA, "num_key_value_heads": 2, "sliding_window": 40},
    "GPT2": {"n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 64, "scale_attn_by_inverse_layer_idx": True,
             **SIZES},
    "GPTNeoX": {**LLAMA, "rotary_pct": 0.5},
}  # fmt: skip
"""The first four compute our own way, the others as they are in transformers."""


def made(kind: str) -> Any:
    import torch
    import transformers

    name = f"{kind}LMHeadModel" if kind == "GPT2" else f"{kind}ForCausalLM"
    found = getattr(transformers, name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        model = found(found.config_class(**KINDS[kind])).eval()
        for parameter in model.parameters():
            parameter.data += 0.25 * torch.randn_like(parameter)
    return model


@pytest.fixture(scope="session", params=KINDS)
def model(request: pytest.FixtureRequest) -> Any:
    return made(request.param)


@pytest.fixture(scope="session")
def llama() -> Any:
    return made("Llama")


@pytest.fixture(scope="session")
def model_of() -> Callable[[str], Any]:
    return made
