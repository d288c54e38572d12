from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tunesmith.models.decoder.pieces import HALF, Pieces, begun
from tunesmith.tasks.dialogue import Dialogue
from tunesmith.tasks.writing import Reader
from tunesmith.testing import tiny_llama, tiny_t5
from tunesmith.testing.tokenizers import sentencepiece_bpe

TEXTS = ["The room was great.", "房间很好，我们喜欢。", "a 👩‍👩‍👧 b 🇨🇳", "  spaces\n\n and\ttabs ", "héllo wörld"]


@pytest.fixture(scope="module", params=[tiny_llama, tiny_t5])
def tokenizer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    from transformers import AutoTokenizer

    folder: Path = request.param(tmp_path_factory.mktemp("tokenizer") / "model", texts=TEXTS)
    return AutoTokenizer.from_pretrained(folder)


def shown(tokenizer: Any, ids: list[int], *stop: str) -> tuple[list[str], Pieces]:
    pieces = Pieces(tokenizer, stop)
    return [*(pieces.add(token) for token in ids), pieces.end()], pieces


@pytest.mark.parametrize("text", TEXTS)
def test_pieces_make_the_text_and_split_no_character(tokenizer: Any, text: str) -> None:
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    found, pieces = shown(tokenizer, ids)
    whole = tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    assert "".join(found) == pieces.text == whole
    assert not any(HALF in piece for piece in found)
    assert sum(bool(piece) for piece in found) >= len(ids) // 4  # it comes while it is written, not at the end


def test_half_a_character_at_the_end_is_left_out(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_llama(tmp_path / "m", texts=["plain words"]))
    ids = tokenizer("a👩", add_special_tokens=False)["input_ids"]
    assert "".join(shown(tokenizer, ids[:-1])[0]) == "a"
    assert "".join(shown(tokenizer, ids)[0]) == "a👩"
    assert Reader(tokenizer)(ids[:-1]) == "a" and Reader(tokenizer)(ids) == "a👩", "and where it is read at once"


@pytest.fixture
def fallback() -> Any:
    from transformers import PreTrainedTokenizerFast

    found: Any = PreTrainedTokenizerFast
    return found(tokenizer_object=sentencepiece_bpe(["hello"], 400), unk_token="<unk>")


def test_characters_of_several_bytes_stay_whole_whatever_stands_before_them(fallback: Any) -> None:
    for text in ("hello 🙂🙂🙂🙂 hello", "🙂好🙂好é🙂", "hell🙂 o"):
        ids = fallback(text, add_special_tokens=False)["input_ids"]
        found, _ = shown(fallback, ids)
        assert "".join(found) == text
    ids = fallback("hello 🙂", add_special_tokens=False)["input_ids"]
    for cut in (1, 2, 3):  # there a half is a mark a byte
        assert "".join(shown(fallback, ids[:-cut])[0]) == "hello " == Reader(fallback)(ids[:-cut])


@pytest.mark.parametrize(
    ("text", "stop", "wanted"),
    [
        ("\n\n yes\nno", ["\n"], "yes"),
        ("  好的。\n不", ["\n"], "好的。"),
        ("yes \n no", [" \n"], "yes"),
        ("yes \n\n", ["\n\n"], "yes"),
        (" yes ", ["\n"], "yes"),
    ],
)
def test_stop_strings_beside_blanks_are_seen_alike_at_once_and_while_it_is_written(
    fallback: Any, text: str, stop: list[str], wanted: str
) -> None:
    ids = fallback(text, add_special_tokens=False)["input_ids"]
    task, pieces = Dialogue(stop=tuple(stop)), Pieces(fallback, stop, strip=True)
    (at_once,) = task.decode([np.array(ids)], [{"read": Reader(fallback), "ends": ()}])
    streamed = "".join([*(pieces.add(token) for token in ids), pieces.end()])
    assert at_once["text"] == streamed == wanted
    assert (at_once["finish"] == "stop") == pieces.stopped == (stop[0] in text.lstrip())


@pytest.mark.parametrize(
    ("text", "stop", "wanted"),
    [
        ("one two three", ["two"], "one "),
        ("one two three", ["three", "two t"], "one "),
        ("房间很好，我们喜欢。", ["，我"], "房间很好"),
        ("one two three", ["four"], "one two three"),
        ("one two th", ["three"], "one two th"),  # what was held back comes at the end
    ],
)
def test_stop_strings_across_tokens(tmp_path: Path, text: str, stop: list[str], wanted: str) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_llama(tmp_path / "m", texts=["zz"]))  # a token a byte
    found, pieces = shown(tokenizer, tokenizer(text, add_special_tokens=False)["input_ids"], *stop)
    assert "".join(found) == wanted and pieces.stopped == (wanted != text)
    assert not any(begun("".join(found[:i]), stop) for i in range(len(found) - 1))  # no beginning of one left
