"""A tokenizer that is made anew is the same of the same texts, whatever the process's hash tables were seeded with."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import pytest

from tunesmith.models.scratch import alphabet_of, enough, made_tokenizer
from tunesmith.testing import toy_documents

ENGLISH = [*toy_documents("en", 40), "naïve café jalapeño über straße fjord øre þing", "don't: e-mail, 3.5 %"]
RARE = "".join(chr(code) for code in range(0x4E00, 0x4E00 + 300))
"""Each as rare as the others: more than an alphabet of 160 holds."""
CHINESE = [*toy_documents("zh", 40), RARE, "在 iPhone15 和 GPT4 上，WiFi6 更快。"]
KINDS = ("encoder", "causal", "seq2seq")


def digests() -> list[str]:
    """One for each kind and language."""
    files = [made_tokenizer(kind, texts, 320)[0].to_str() for texts in (ENGLISH, CHINESE) for kind in KINDS]
    return [hashlib.sha256(file.encode()).hexdigest() for file in files]


def test_the_same_texts_make_the_same_tokenizer() -> None:
    first = digests()
    assert len(set(first)) == 2 * len(KINDS)
    assert all(digests() == first for _ in range(4)), "Rust seeds each of its hash tables anew"
    for seed in ("1", "2"):
        run = subprocess.run(
            [sys.executable, "-c", "import test_scratch; print(*test_scratch.digests())"],
            cwd=os.path.dirname(__file__), env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert run.stdout.split() == first


@pytest.mark.parametrize(("texts", "asked"), [(ENGLISH, "The room was clean."), (CHINESE, "房间很 iPhone15 干净。")])
def test_pieces_within_words_are_ordinary_ones(texts: list[str], asked: str) -> None:
    tokenizer, roles = made_tokenizer("encoder", texts, 400)
    assert {token.content for token in tokenizer.get_added_tokens_decoder().values()} == set(roles.values())
    found = tokenizer.encode(asked)
    assert found.tokens[0] == "[CLS]" and found.tokens[-1] == "[SEP]" and "[UNK]" not in found.tokens
    assert tokenizer.decode(found.ids).replace(" ", "") == asked.lower().replace(" ", "")
    assert "##" not in tokenizer.encode("a ##b").tokens, "what a text writes as ## is two characters"
    assert tokenizer.get_vocab_size() <= 400


def test_the_alphabet_keeps_what_is_frequent() -> None:
    tokenizer, _ = made_tokenizer("encoder", ENGLISH, 200)
    assert alphabet_of(["abc ab a", "ab! zebra"], tokenizer, 3) == (["!", "a", "b"], ["a", "b"])
    assert alphabet_of(["b!", "a 房间"], tokenizer, 9) == (["!", "a", "b", "房", "间"], [])


def test_enough_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tunesmith.models.scratch.ENOUGH", 5)
    assert enough(iter(["abc", "def", "ghi"])) == ["abc", "def"]
