"""A model made anew: a tokenizer that is trained on the corpus, and random weights of a chosen size."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tunesmith.models.cache import keep
from tunesmith.models.load import quiet

SIZES: Mapping[str, tuple[int, int, int]] = {"tiny": (4, 256, 4), "small": (6, 384, 6), "base": (12, 768, 12)}
"""Layers, width, heads."""
ENOUGH = 30_000_000
"""Characters that a tokenizer is trained on."""
MARKS = [f"<extra_id_{i}>" for i in range(64)]


def made_anew(
    folder: Path, texts: Iterable[str], scratch: Mapping[str, Any], *, kind: str, max_length: int, seed: int
) -> Path:
    """Write a model's folder; one that is there from the same arguments is taken as it is.

    Args:
        texts: the tokenizer's.
        scratch: ``size`` and ``vocabulary``.
        kind: "encoder" (BERT), "causal" (Llama) or "seq2seq" (T5).
        max_length: tokens that it can take.
    """
    key = json.dumps([dict(scratch), kind, max_length, seed])
    folder.parent.mkdir(parents=True, exist_ok=True)
    return keep(folder, key, lambda fresh: _write(fresh, texts, scratch, kind, max_length, seed))


def _write(folder: Path, texts: Iterable[str], scratch: Mapping[str, Any], kind: str, length: int, seed: int) -> None:
    import torch
    import transformers

    tokenizer, tokens = made_tokenizer(kind, enough(texts), int(scratch["vocabulary"]))
    config = _CONFIGS[kind](*SIZES[scratch["size"]], tokenizer.get_vocab_size(), length)
    model_class = {"encoder": "BertForMaskedLM", "causal": "LlamaForCausalLM", "seq2seq": "T5ForConditionalGeneration"}
    with quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = getattr(transformers, model_class[kind])
        made(made.config_class(**config)).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    inputs = ["input_ids", "token_type_ids", "attention_mask"] if kind == "encoder" else ["input_ids", "attention_mask"]
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": length,
        "model_input_names": inputs,
        **{f"{role}_token": token for role, token in tokens.items()},
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2), "utf-8")


def enough(texts: Iterable[str]) -> list[str]:
    """The first texts, of ENOUGH characters together."""
    taken, seen = [], 0
    for text in texts:
        taken.append(text)
        seen += len(text)
        if seen > ENOUGH:
            break
    return taken


def made_tokenizer(kind: str, texts: Sequence[str], vocabulary: int) -> tuple[Any, dict[str, str]]:
    """A ``tokenizers.Tokenizer`` learned of texts, and its special tokens by role. The same texts make the same."""
    return _TOKENIZERS[kind](texts, vocabulary)


def alphabet_of(texts: Iterable[str], tokenizer: Any, most: int) -> tuple[list[str], list[str]]:
    """The characters that a tokenizer's pieces are made of, and which of them stand within words.

    A ``BpeTrainer`` that is not told them numbers ``##x`` in the order of a hash table, and leaves out by the same
    order some of those that are equally rare: each time it makes another tokenizer of the same texts.

    Args:
        most: characters that are kept, the frequent ones.
    """
    parts: Counter[str] = Counter()  # what stands between spaces, each looked at once
    for text in texts:
        parts.update(tokenizer.normalizer.normalize_str(text).split(" "))
    seen: Counter[str] = Counter()
    within: set[str] = set()
    for part, times in parts.items():
        for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(part):
            within.update(word[1:])
            for character in word:
                seen[character] += times
    kept = sorted(seen, key=lambda character: (-seen[character], character))[:most]
    return sorted(kept), sorted(within.intersection(kept))


def _for_encoders(texts: Sequence[str], vocabulary: int) -> tuple[Any, dict[str, str]]:
    """Byte pairs within words, lower case, Chinese characters one by one, ``[CLS] A [SEP] B [SEP]``."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

    roles = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]", continuing_subword_prefix="##"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    alphabet, within = alphabet_of(texts, tokenizer, max(100, vocabulary // 2))
    continuing = [f"##{character}" for character in within]
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=[*roles.values(), *continuing], initial_alphabet=alphabet,
        limit_alphabet=len(alphabet), continuing_subword_prefix="##", min_frequency=2, show_progress=False,
    )  # fmt: skip
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer = _ordinary(tokenizer, continuing)
    ids = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ids
    )
    return tokenizer, roles


def _ordinary(tokenizer: Any, pieces: Iterable[str]) -> Any:
    """Pieces that were given to the trainer as special tokens, so that it keeps their order, as ordinary ones."""
    file, former = json.loads(tokenizer.to_str()), set(pieces)
    file["added_tokens"] = [token for token in file["added_tokens"] if token["content"] not in former]
    return type(tokenizer).from_str(json.dumps(file))


def _for_causal(texts: Sequence[str], vocabulary: int) -> tuple[Any, dict[str, str]]:
    """Byte pairs of bytes: nothing is unknown."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    roles = {"bos": "<s>", "eos": "</s>", "unk": "<unk>", "pad": "<pad>"}
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=list(roles.values()),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False,
    )  # fmt: skip
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer, roles


def _for_seq2seq(texts: Sequence[str], vocabulary: int) -> tuple[Any, dict[str, str]]:
    """Byte pairs over words that begin with "▁", ``A </s>``, with marks for spans."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

    roles = {"pad": "<pad>", "eos": "</s>", "unk": "<unk>"}
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    alphabet, _ = alphabet_of(texts, tokenizer, max(100, vocabulary // 2))
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=[*roles.values(), *MARKS], initial_alphabet=alphabet,
        limit_alphabet=len(alphabet), show_progress=False,
    )  # fmt: skip
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", tokenizer.token_to_id("</s>"))]
    )
    return tokenizer, roles


def _bert(layers: int, width: int, heads: int, vocabulary: int, length: int) -> dict[str, Any]:
    return {
        "vocab_size": vocabulary, "hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": heads,
        "intermediate_size": 4 * width, "max_position_embeddings": length, "pad_token_id": 0,
    }  # fmt: skip


def _llama(layers: int, width: int, heads: int, vocabulary: int, length: int) -> dict[str, Any]:
    return {
        "vocab_size": vocabulary, "hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": heads,
        "num_key_value_heads": heads, "intermediate_size": 8 * width // 3 // 32 * 32,
        "max_position_embeddings": length, "tie_word_embeddings": True,
        "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 3,
    }  # fmt: skip


def _t5(layers: int, width: int, heads: int, vocabulary: int, length: int) -> dict[str, Any]:
    return {
        "vocab_size": vocabulary, "d_model": width, "d_kv": width // heads, "d_ff": 4 * width,
        "num_layers": layers, "num_heads": heads, "n_positions": length,
        "decoder_start_token_id": 0, "pad_token_id": 0, "eos_token_id": 1,
    }  # fmt: skip


_TOKENIZERS = {"encoder": _for_encoders, "causal": _for_causal, "seq2seq": _for_seq2seq}
_CONFIGS = {"encoder": _bert, "causal": _llama, "seq2seq": _t5}
