"""Fewer pieces: the same cuts and equal answers, for each kind of tokenizer, in English and Chinese."""

from __future__ import annotations

import json
from collections.abc import Callable
from math import log
from pathlib import Path
from typing import Any

import pytest
import torch
from toy_models import TEXTS

from tunesmith.compression import tokenizer_file as files
from tunesmith.compression.scripts import belongs, scripts_in, scripts_of
from tunesmith.compression.vocabulary import trim
from tunesmith.core.errors import ModelError, RecipeError

ODD = ["房间 wonderful 🙂", "ώ ζωή я 한국", "x🙂🙂y ☃", "unbelievablyxyz 龘", "", "   ", "12.5€"]


def tokens(processor: Any, texts: list[str]) -> list[list[str]]:
    return [processor.convert_ids_to_tokens(processor(text)["input_ids"]) for text in texts]


def answers(model: Any, processor: Any, texts: list[str]) -> torch.Tensor:
    with torch.no_grad():
        return model(**processor(texts, return_tensors="pt", padding=True)).logits


@pytest.fixture
def unigram(tmp_path: Path) -> tuple[Any, Any]:
    """A tiny XLM-R with sentencepiece's kind of pieces in four scripts."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import AutoTokenizer, XLMRobertaConfig, XLMRobertaForSequenceClassification

    words = [
        "the", "room", "was", "wonderful", "terrible", "café", "über", "я", "привет", "мир", "ζωή",
        "房间", "很干净", "很差", "服务", "한국",
    ]  # fmt: skip
    letters = sorted({c for word in [*words, *TEXTS["en"], *TEXTS["zh"]] for c in word if not c.isspace()})
    pieces = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    pieces += [(f"▁{word}", log(0.01 / (i + 1))) for i, word in enumerate(words)]
    pieces += [(word, log(0.01 / (i + 2))) for i, word in enumerate(words) if len(word) > 1]
    pieces += [(letter, -9.0 - i / 100) for i, letter in enumerate(letters) if letter not in words]
    pieces += [("мирной", -19.0), ("🙂", -9.5)]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    roles = {"pad": "<pad>", "unk": "<unk>", "cls": "<s>", "sep": "</s>", "mask": "<mask>"}
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", **{f"{r}_token": t for r, t in roles.items()}}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings), "utf-8")
    torch.manual_seed(1)
    config = XLMRobertaConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=130, pad_token_id=1, bos_token_id=0, eos_token_id=2,
    )  # fmt: skip
    return XLMRobertaForSequenceClassification(config).eval(), AutoTokenizer.from_pretrained(tmp_path)


def test_a_unigram_model_answers_equally_in_the_languages_kept(unigram: tuple[Any, Any], tmp_path: Path) -> None:
    model, processor = unigram
    texts = [
        *TEXTS["en"],
        *TEXTS["zh"],
        "the room was wonderful 🙂",
        "房间很干净，服务🙂!",
        "x🙂☃y 很 龘龘 ok",
        "",
        "5 € ☃☃",
    ]
    assert any(processor.unk_token_id in processor(text)["input_ids"] for text in texts)
    before, cut = answers(model, processor, texts), tokens(processor, texts)
    found = trim(model, processor, keep=["zh", "en"])  # no text was told
    assert tokens(found.processor, texts) == cut
    assert torch.equal(answers(model, found.processor, texts), before)
    left = set(found.processor.get_vocab())
    assert {"я", "▁привет", "ζωή", "▁über", "▁한국"}.isdisjoint(left)
    assert {"房间", "▁the", "🙂", "é", "<mask>"} <= left
    assert "мирной" in left  # the least score: what an unknown character costs hangs on it
    assert model.config.vocab_size == len(left) == len(found.kept) < found.before
    assert found.saved == 4 * 16 * (found.before - len(found.kept))
    assert "pieces are kept" in found.words and "MB" in found.words
    model.save_pretrained(tmp_path / "small")
    found.processor.save_pretrained(tmp_path / "small")
    from transformers import pipeline

    scores = pipeline("text-classification", str(tmp_path / "small"), top_k=None)(texts[:3])
    assert torch.softmax(before[0], -1).tolist() == pytest.approx(
        [s["score"] for s in sorted(scores[0], key=lambda s: s["label"])]
    )


def test_without_the_least_piece_unknown_signs_would_move_the_cut(unigram: tuple[Any, Any]) -> None:
    """What the promise hangs on: leave the piece out by hand, and an unknown sign gets cheaper."""
    _, processor = unigram
    file = files.read(processor)
    least = min(range(len(file["model"]["vocab"])), key=lambda i: file["model"]["vocab"][i][1])
    assert files.pieces(file)[least] == "мирной" and least in files.always(file)


def test_what_is_told_stays_whatever_its_script(unigram: tuple[Any, Any]) -> None:
    model, processor = unigram
    texts = ["привет мир", "über café"]
    before, cut = answers(model, processor, texts), tokens(processor, texts)
    found = trim(model, processor, iter(texts), keep=["zh"])
    assert found.checked == 2 and tokens(found.processor, texts) == cut
    assert torch.equal(answers(model, found.processor, texts), before)
    assert "▁wonderful" not in found.processor.get_vocab()
    assert processor.unk_token_id not in found.processor("wonderful")["input_ids"]  # letters stay


def test_a_tokenizer_that_has_cut_windows_is_compared_on_whole_texts(unigram: tuple[Any, Any]) -> None:
    model, processor = unigram
    texts = ["房间很干净 " * 20 + "привет"]
    cut = tokens(processor, texts)
    processor(texts, truncation=True, max_length=8, stride=2, return_overflowing_tokens=True)  # stays switched on
    found = trim(model, processor, texts, keep=["zh"])
    assert tokens(found.processor, texts) == cut == tokens(processor, texts)


@pytest.mark.parametrize("family", ["bert", "distilbert", "roberta"])
def test_other_kinds_of_pieces(
    family: str, classifier: Callable[[str], Any], processor: Callable[[str], Any], tmp_path: Path
) -> None:
    model, old = classifier(family), processor(family)
    texts = [*TEXTS["zh"][:20], *ODD]
    before, cut = answers(model, old, texts), tokens(old, texts)
    masked = old.mask_token_id
    found = trim(model, old, texts, limit=10)
    assert len(found.kept) < found.before and found.checked == len(texts)
    assert tokens(found.processor, texts) == cut
    assert torch.equal(answers(model, found.processor, texts), before)
    assert old.mask_token_id == masked  # the old one is as it was
    model.save_pretrained(tmp_path)
    found.processor.save_pretrained(tmp_path)
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    again = AutoTokenizer.from_pretrained(tmp_path)
    assert tokens(again, texts) == cut
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    assert torch.equal(answers(loaded, again, texts), before)
    pair = old("great room", "无聊")["input_ids"], again("great room", "无聊")["input_ids"]
    assert len(pair[1]) >= len(pair[0]) and again.convert_ids_to_tokens(pair[1])[-1] == old.sep_token


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_by_language_alone(family: str, classifier: Callable[[str], Any], processor: Callable[[str], Any]) -> None:
    model, old = classifier(family), processor(family)
    texts = [*TEXTS["en"], "12.5€ 🙂"]
    before, cut = answers(model, old, texts), tokens(old, texts)
    found = trim(model, old, keep=["en"])
    assert tokens(found.processor, texts) == cut and torch.equal(answers(model, found.processor, texts), before)
    assert len(found.kept) < found.before


def test_a_word_that_was_unknown_stays_unknown() -> None:
    """WordPiece goes by the longest piece: with "ab" left out, "abz" would be cut into "a" and "##bz"."""
    assert files.way_to_unknown("abz", {"ab": 1, "a": 0, "##bz": 2}, "##") == {1}


def test_bpe_keeps_the_way_to_a_piece() -> None:
    ranks = {("l", "o"): 0, ("w", "e"): 1, ("lo", "we"): 2, ("o", "w"): 3}
    assert files.joined("lowe", ranks) == {"l", "o", "w", "e", "lo", "we", "lowe"}


def test_scripts() -> None:
    assert scripts_in("▁привет") == {"cyrillic"} and scripts_in("ひらカー々") <= {*scripts_of(["kana"])}
    assert belongs("é", scripts_of(["en"])) and not belongs("café", scripts_of(["en"]))
    assert belongs("café", scripts_of(["fr"])) and belongs("🙂❤️!", scripts_of(["zh"]))
    with pytest.raises(RecipeError, match='no language or script "latn"'):
        scripts_of(["latn"])


def test_a_tokenizer_that_does_not_fit(classifier: Callable[[str], Any], processor: Callable[[str], Any]) -> None:
    model, old = classifier("bert"), processor("bert")
    old.add_tokens(["<new>"])
    with pytest.raises(ModelError, match="rows"):
        trim(model, old, ["a"])


@pytest.mark.parametrize("family", ["gpt2", "llama", "t5"])
def test_models_that_generate(family: str, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

    from tunesmith.testing import tiny_gpt2, tiny_llama, tiny_t5

    make = {"gpt2": tiny_gpt2, "llama": tiny_llama, "t5": tiny_t5}[family]
    auto = AutoModelForSeq2SeqLM if family == "t5" else AutoModelForCausalLM
    folder = make(tmp_path / "model", texts=[*TEXTS["en"], *TEXTS["zh"]])
    model, old = auto.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    text = TEXTS["en"][0]

    def logits(some: Any, processor: Any) -> torch.Tensor:
        ids = processor(text, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            return (some(input_ids=ids, labels=ids) if family == "t5" else some(input_ids=ids)).logits

    before = logits(model, old)
    found = trim(model, old, [text], keep=["en"])
    assert len(found.kept) < found.before and found.saved > 0
    torch.testing.assert_close(logits(model, found.processor), before[..., found.kept])
    model.save_pretrained(tmp_path / "small")
    again = auto.from_pretrained(tmp_path / "small").eval()
    torch.testing.assert_close(logits(again, found.processor), before[..., found.kept])
    pad = model.config.pad_token_id
    assert pad is None or found.processor.convert_ids_to_tokens(pad) == "<pad>"


def test_a_bias_for_each_piece_is_refused(folders: dict[str, Path], processor: Callable[[str], Any]) -> None:
    from transformers import AutoModelForMaskedLM

    with pytest.raises(ModelError, match="with a bias for each"):
        trim(AutoModelForMaskedLM.from_pretrained(folders["bert"]), processor("bert"), ["a"])
