"""Small tokenizers, made from a test's own texts in milliseconds: (texts, most pieces) -> tokenizer.

WordPiece and Unigram count words themselves: the trainers of the library give other pieces at every call.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from math import log
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def wordpiece(texts: Iterable[str], vocab: int, second_type: int = 1) -> Tokenizer:
    """BERT's: lower case, Chinese characters one by one, ``[CLS] A [SEP] B [SEP]``.

    ``second_type`` is the token type of B.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True, handle_chinese_chars=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    words = _words(tokenizer, texts)
    letters = sorted({letter for word in words for letter in word})
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = list(dict.fromkeys([*special, *letters, *(f"##{letter}" for letter in letters), *_by_count(words)]))
    tokenizer.model = models.WordPiece({piece: i for i, piece in enumerate(pieces[:vocab])}, unk_token="[UNK]")
    tokenizer.add_special_tokens(special)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair=f"[CLS] $A [SEP] $B:{second_type} [SEP]:{second_type}",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return tokenizer


def untyped_wordpiece(texts: Iterable[str], vocab: int) -> Tokenizer:
    """DistilBERT's: BERT's without token types."""
    return wordpiece(texts, vocab, second_type=0)


def byte_bpe(texts: Iterable[str], vocab: int, special: list[str]) -> Tokenizer:
    """GPT-2's: pieces of bytes, so that nothing is unknown. ``special`` come first, in their order."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def causal_bpe(texts: Iterable[str], vocab: int) -> Tokenizer:
    """A causal model's: byte pieces, no template."""
    return byte_bpe(texts, vocab, ["<s>", "</s>", "<unk>", "<pad>"])


def sentencepiece_bpe(texts: Iterable[str], vocab: int) -> Tokenizer:
    """Llama 2's and Mistral's: a blank before every text, characters of ``texts``, bytes for all others."""
    from tokenizers import Tokenizer, decoders, models, normalizers

    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁"]
    letters = sorted({letter for text in texts for letter in text} - {" "})
    pieces = {piece: i for i, piece in enumerate([*special, *letters][:vocab])}
    tokenizer = Tokenizer(models.BPE(pieces, [], unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.add_special_tokens(special[:3])
    return tokenizer


def roberta_bpe(texts: Iterable[str], vocab: int) -> Tokenizer:
    """RoBERTa's: byte pieces, ``<s> A </s></s> B </s>``."""
    from tokenizers import processors

    tokenizer = byte_bpe(texts, vocab, ["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return tokenizer


def t5_unigram(texts: Iterable[str], vocab: int) -> Tokenizer:
    """T5's: Unigram over words that begin with "▁", ``A </s>``."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    words = _words(tokenizer, texts)
    letters: Counter[str] = Counter()
    for word, count in words.items():
        letters.update({letter: count * word.count(letter) for letter in set(word)})
    counts = letters | words
    special = ["<pad>", "</s>", "<unk>"]
    chosen = [*_by_count(letters), *(word for word in _by_count(words) if word not in letters)][: vocab - len(special)]
    total = sum(letters.values())
    pieces = [(piece, 0.0) for piece in special] + [(piece, log(counts[piece] / total)) for piece in chosen]
    tokenizer.model = models.Unigram(pieces, unk_id=2)
    tokenizer.add_special_tokens(special)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    return tokenizer


def _words(tokenizer: Tokenizer, texts: Iterable[str]) -> Counter[str]:
    words: Counter[str] = Counter()
    for text in texts:
        normal = tokenizer.normalizer.normalize_str(text)
        words.update(word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normal))
    return words


def _by_count(words: Counter[str]) -> list[str]:
    return sorted(words, key=lambda word: (-words[word], word))
