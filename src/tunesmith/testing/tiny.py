"""Tiny models with random weights, written as Hugging Face folders: a second to make, milliseconds to run.

The same arguments give the same weights. A folder that was made from the same arguments is returned as it is, so that
a test session makes each model once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from tunesmith.models.cache import keep
from tunesmith.models.load import quiet
from tunesmith.testing import tokenizers as made

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_SEED = 13
_DEFAULTS = {"layers": 2, "hidden": 32, "heads": 2, "intermediate": 64, "vocab": 1000, "max_length": 512}


class Shape(TypedDict, total=False):
    """How large a tiny model is. What is left out has the value in brackets."""

    layers: int
    """Layers, of the encoder and of the decoder where there is one (2)."""
    hidden: int
    """Width, a multiple of ``heads`` (32)."""
    heads: int
    """Attention heads (2)."""
    intermediate: int
    """Width of the feed-forward part (64)."""
    vocab: int
    """Most pieces that the tokenizer learns (1000)."""
    max_length: int
    """Tokens that the model can take (512)."""


def tiny_bert(folder: str | Path, *, texts: Iterable[str], **shape: Unpack[Shape]) -> Path:
    """Write a ``BertModel`` with a WordPiece tokenizer.

    Args:
        folder: where to.
        texts: what the tokenizer is trained on.
        **shape: see ``Shape``.

    Returns:
        The folder.
    """
    return _tiny(_BERT, folder, texts, shape)


def tiny_distilbert(folder: str | Path, *, texts: Iterable[str], **shape: Unpack[Shape]) -> Path:
    """Write a ``DistilBertModel``, which has no token types; arguments as for ``tiny_bert``."""
    return _tiny(_DISTILBERT, folder, texts, shape)


def tiny_roberta(folder: str | Path, *, texts: Iterable[str], **shape: Unpack[Shape]) -> Path:
    """Write a ``RobertaModel``, whose positions start after the padding id, with byte BPE; else as ``tiny_bert``."""
    return _tiny(_ROBERTA, folder, texts, shape)


def tiny_gpt2(folder: str | Path, *, texts: Iterable[str], **shape: Unpack[Shape]) -> Path:
    """Write a ``GPT2LMHeadModel`` with byte BPE and a chat template; else as ``tiny_bert``."""
    return _tiny(_GPT2, folder, texts, shape)


def tiny_llama(folder: str | Path, *, texts: Iterable[str], **shape: Unpack[Shape]) -> Path:
    """Write a ``LlamaForCausalLM`` with byte BPE and a chat template; else as ``tiny_bert``."""
    return _tiny(_LLAMA, folder, texts, shape)


def tiny_t5(folder: str | Path, *, texts: Iterable[str], **shape: Unpack[Shape]) -> Path:
    """Write a ``T5ForConditionalGeneration`` with a Unigram tokenizer; else as ``tiny_bert``."""
    return _tiny(_T5, folder, texts, shape)


@dataclass(frozen=True)
class _Family:
    model: str
    """The class in transformers."""
    config: Callable[[Mapping[str, int]], dict[str, Any]]
    """Our words for the shape -> its configuration's."""
    tokenizer: Callable[[list[str], int], Tokenizer]
    tokens: Mapping[str, str]
    """Special tokens by role."""
    extras: Mapping[str, Any] = field(default_factory=dict)
    """More of ``tokenizer_config.json``."""


def _tiny(family: _Family, folder: str | Path, texts: Iterable[str], shape: Shape) -> Path:
    if unknown := set(shape) - set(_DEFAULTS):
        raise TypeError(f"A tiny model's shape has {', '.join(_DEFAULTS)}; not {', '.join(sorted(unknown))}.")
    size: dict[str, int] = {**_DEFAULTS, **shape}  # type: ignore[dict-item]
    texts, folder = list(texts), Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    key = hashlib.sha256(json.dumps([family.model, size, texts]).encode()).hexdigest()
    return keep(folder, key, lambda fresh: _write(family, fresh, texts, size))


def _write(family: _Family, folder: Path, texts: list[str], size: Mapping[str, int]) -> None:
    import torch
    import transformers

    tokenizer = family.tokenizer(texts, size["vocab"])
    kind = getattr(transformers, family.model)
    config = kind.config_class(vocab_size=tokenizer.get_vocab_size(), **family.config(size))
    with quiet(), torch.random.fork_rng(devices=[]):  # the caller's random numbers stay as they were
        torch.manual_seed(_SEED)
        kind(config).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    tokens = {f"{role}_token": token for role, token in family.tokens.items()}
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": size["max_length"]}
    (folder / "tokenizer_config.json").write_text(
        json.dumps({**settings, **tokens, **family.extras}, indent=2), "utf-8"
    )


def _plain(size: Mapping[str, int]) -> dict[str, Any]:
    return {
        "hidden_size": size["hidden"],
        "num_hidden_layers": size["layers"],
        "num_attention_heads": size["heads"],
        "intermediate_size": size["intermediate"],
        "max_position_embeddings": size["max_length"],
    }


def _distilbert(size: Mapping[str, int]) -> dict[str, Any]:
    return {
        "dim": size["hidden"],
        "n_layers": size["layers"],
        "n_heads": size["heads"],
        "hidden_dim": size["intermediate"],
        "max_position_embeddings": size["max_length"],
    }


def _roberta(size: Mapping[str, int]) -> dict[str, Any]:
    ids = {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2}
    return {**_plain(size), "max_position_embeddings": size["max_length"] + 2, "type_vocab_size": 1, **ids}


def _gpt2(size: Mapping[str, int]) -> dict[str, Any]:
    return {
        "n_embd": size["hidden"],
        "n_layer": size["layers"],
        "n_head": size["heads"],
        "n_inner": size["intermediate"],
        "n_positions": size["max_length"],
        **_CAUSAL_IDS,
    }


def _t5(size: Mapping[str, int]) -> dict[str, Any]:
    return {
        "d_model": size["hidden"],
        "d_kv": size["hidden"] // size["heads"],
        "d_ff": size["intermediate"],
        "num_layers": size["layers"],
        "num_heads": size["heads"],
        "n_positions": size["max_length"],
        "decoder_start_token_id": 0,
        "pad_token_id": 0,
        "eos_token_id": 1,
    }


_CAUSAL_IDS = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 3}
_TYPES = {"model_input_names": ["input_ids", "token_type_ids", "attention_mask"]}
_NO_TYPES = {"model_input_names": ["input_ids", "attention_mask"]}
_CHAT = (
    "{% for message in messages %}<|{{ message['role'] }}|>\n{{ message['content'] }}</s>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
_CAUSAL = {"chat_template": _CHAT, "padding_side": "left", **_NO_TYPES}

_BERT_TOKENS = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
_CAUSAL_TOKENS = {"bos": "<s>", "eos": "</s>", "unk": "<unk>", "pad": "<pad>"}
_ROBERTA_TOKENS = {**_CAUSAL_TOKENS, "cls": "<s>", "sep": "</s>", "mask": "<mask>"}
_T5_TOKENS = {"pad": "<pad>", "eos": "</s>", "unk": "<unk>"}

_BERT = _Family("BertModel", _plain, made.wordpiece, _BERT_TOKENS, _TYPES)
_DISTILBERT = _Family("DistilBertModel", _distilbert, made.untyped_wordpiece, _BERT_TOKENS, _NO_TYPES)
_ROBERTA = _Family("RobertaModel", _roberta, made.roberta_bpe, _ROBERTA_TOKENS, _NO_TYPES)
_GPT2 = _Family("GPT2LMHeadModel", _gpt2, made.causal_bpe, _CAUSAL_TOKENS, _CAUSAL)
_LLAMA = _Family("LlamaForCausalLM", lambda s: {**_plain(s), **_CAUSAL_IDS}, made.causal_bpe, _CAUSAL_TOKENS, _CAUSAL)
_T5 = _Family("T5ForConditionalGeneration", _t5, made.t5_unigram, _T5_TOKENS, _NO_TYPES)
