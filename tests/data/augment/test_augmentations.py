"""What each augmentation changes, and what it leaves; English and Chinese."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tunesmith.core.contracts import Augmentation
from tunesmith.core.errors import RecipeError
from tunesmith.core.registry import family
from tunesmith.data.augment.apply import MARK, augmented
from tunesmith.data.augment.pieces import words
from tunesmith.data.augment.typos import mistyped, sounding_alike
from tunesmith.testing import toy_rows

NAMES = sorted(set(family("augmentations")) - {"back_translation"})
ENGLISH = "The room was very dirty, but the staff seemed friendly and the film was great."
CHINESE = "房间非常干净，服务也很好，但是早餐有点贵，iPhone也不便宜。"


def made(name: str, **options: Any) -> Augmentation:
    found: Augmentation = family("augmentations").make(name, options)
    return found


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("text", [ENGLISH, CHINESE], ids=["en", "zh"])
def test_each_changes_both_languages_and_the_same_draw_gives_the_same(name: str, text: str) -> None:
    one = [made(name).rewrite(text, random.Random(seed)) for seed in range(20)]
    assert one == [made(name).rewrite(text, random.Random(seed)) for seed in range(20)]
    assert sum(other != text for other in one) >= 18 and len(set(one)) > 2
    assert all(abs(len(other) - len(text)) < 0.5 * len(text) and other.strip() for other in one)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("text", ["", " ", "!?", "a", "\n\u3000", "😀"])
def test_what_cannot_be_changed_stays(name: str, text: str) -> None:
    assert made(name, rate=1.0).rewrite(text, random.Random(1)) in (text, text.strip(), "")


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_rate_is_the_share_of_words(rate: float) -> None:
    text = " ".join(f"word{i}" for i in range(40))
    gone = 40 - len(words(made("random_deletion", rate=rate).rewrite(text, random.Random(2))))
    assert gone == 40 * rate
    wrong = made("typos", rate=rate).rewrite(text, random.Random(2)).split(" ")
    assert sum(a != b for a, b in zip(wrong, text.split(" "), strict=True)) == 40 * rate


def test_swap_keeps_the_words_and_chinese_ones_near() -> None:
    for seed in range(10):
        found = made("random_swap", rate=0.4).rewrite(ENGLISH, random.Random(seed))
        assert Counter(re.findall(r"\w+", found)) == Counter(re.findall(r"\w+", ENGLISH))
        moved = made("random_swap", rate=0.1).rewrite(CHINESE, random.Random(seed))
        assert sorted(moved) == sorted(CHINESE)


def test_deletion_leaves_no_double_space_and_never_nothing() -> None:
    for seed in range(20):
        assert "  " not in made("random_deletion", rate=0.5).rewrite(ENGLISH, random.Random(seed))
        assert made("random_deletion", rate=1.0).rewrite("one two", random.Random(seed)) in ("one", "two")


def test_mistyped_is_one_error_and_the_first_letter_stays() -> None:
    for seed in range(200):
        found = mistyped("Friendly", random.Random(seed))
        assert found != "Friendly" and found[0] == "F" and abs(len(found) - 8) <= 1
        assert mistyped("at", random.Random(seed)) != "at"


def test_characters_that_sound_alike() -> None:
    assert "再" in sounding_alike("在") and "在" not in sounding_alike("在")
    assert sounding_alike("a") == [] and sounding_alike("龘") == []


def test_synonyms_keep_case_and_take_the_longest_chinese_entry() -> None:
    found = {made("synonyms", rate=1.0).rewrite("Movie was BORING", random.Random(seed)) for seed in range(30)}
    assert all(re.match(r"(Film|Picture) was [A-Z]+$", text) for text in found)
    assert {made("synonyms", rate=1.0).rewrite("非常贵", random.Random(s)) for s in range(30)} == {
        "十分贵", "特别贵", "极其贵"
    }  # fmt: skip


def test_synonyms_of_a_file_stand_before_ours(tmp_path: Path) -> None:
    file = tmp_path / "words.txt"
    file.write_text("movie, motion picture\n手机，电话\n", "utf-8")
    mine = made("synonyms", path=str(file), rate=1.0)
    assert mine.rewrite("movie", random.Random(0)) == "motion picture"
    assert mine.rewrite("手机", random.Random(0)) == "电话"
    with pytest.raises(RecipeError, match="cannot be read"):
        made("synonyms", path=str(tmp_path / "none")).rewrite("movie", random.Random(0))
    (tmp_path / "empty.txt").write_text("alone\n", "utf-8")
    with pytest.raises(RecipeError, match="no groups"):
        made("synonyms", path=str(tmp_path / "empty.txt")).rewrite("movie", random.Random(0))


def test_wordnets_files_are_read_by_the_sense_that_is_counted_most(tmp_path: Path) -> None:
    head = "  1 a licence text\n"
    noun = "00000100 13 n 02 dog 0 domestic_dog 0 000 | an animal\n"
    verb = "00000100 38 v 02 chase 0 dog 0 000 | go after\n"
    for part, line in (("noun", noun), ("verb", verb)):
        (tmp_path / f"data.{part}").write_bytes((head + " " * 200).encode()[:100] + line.encode())
    (tmp_path / "index.noun").write_text(head + "dog n 1 0 1 1 00000100  \n", "utf-8")
    (tmp_path / "index.verb").write_text(head + "dog v 1 0 1 0 00000100  \nchase v 1 0 1 0 00000100  \n", "utf-8")
    found = made("synonyms", wordnet=str(tmp_path), rate=1.0)
    assert found.rewrite("the dog", random.Random(0)) == "the domestic dog"
    assert found.rewrite("they chase", random.Random(0)) == "they dog"
    with pytest.raises(RecipeError, match=r"index\.noun"):
        made("synonyms", wordnet=str(tmp_path / "no")).rewrite("dog", random.Random(0))


@pytest.mark.parametrize(("share", "added"), [(0.5, 10), (1.0, 20), (2.25, 45)])
def test_rows_are_added_marked_and_the_own_ones_stay(share: float, added: int) -> None:
    rows = toy_rows("en", 10) + toy_rows("zh", 10)
    found, notes = augmented(rows, [made("typos", share=share)], seed=1)
    assert found[:20] == rows and len(found) == 20 + added
    assert all(row[MARK] == "typos" and row["label"] for row in found[20:])
    assert not {row["text"] for row in found[20:]} & {row["text"] for row in rows}
    assert notes == [f"{added} training rows added by typos"]
    assert augmented(rows, [made("typos", share=share)], seed=1)[0] == found
    assert augmented(rows, [made("typos", share=share)], seed=2)[0] != found


def test_each_augmentation_sees_the_own_rows_only_and_says_what_it_could_not_change() -> None:
    rows = [{"text": "qqq zzz", "label": "a"}, {"text": "a good film", "label": "b"}]
    found, notes = augmented(rows, [made("synonyms", share=1.0), made("random_swap", share=1.0)], seed=1)
    assert [row.get(MARK) for row in found] == [None, None, "synonyms", "random_swap", "random_swap"]
    assert notes[0] == "1 training rows added by synonyms; 1 had nothing to change"


class Dictionary:
    """Translates word by word."""

    def __init__(self, source_language: str, target_language: str, words: dict[str, str]) -> None:
        self.source_language, self.target_language, self.words = source_language, target_language, words
        self.asked: list[int] = []

    def __call__(self, texts: Sequence[str]) -> list[str]:
        self.asked.append(len(texts))
        return [" ".join(self.words.get(word, word) for word in text.split()) for text in texts]


def through(source: str, other: str, words: tuple[dict[str, str], dict[str, str]]) -> tuple[Any, list[Dictionary]]:
    made_of = {"a": Dictionary(source, other, words[0]), "b": Dictionary(other, source, words[1])}
    augmentation = made("back_translation", there="a", back="b", share=1.0)
    augmentation.bind(lambda path, temperature: made_of[path])
    return augmentation, list(made_of.values())


@pytest.mark.parametrize(
    ("languages", "words", "texts", "wanted"),
    [
        (("en", "zh"), ({"film": "电影"}, {"电影": "movie"}), ["a good film", "no"], "a good movie"),
        (("zh", "en"), ({"很好": "good"}, {"good": "不错"}), ["房间 很好", "不"], "房间 不错"),
    ],
)
def test_back_translation_asks_for_all_texts_at_once(
    languages: tuple[str, str], words: Any, texts: list[str], wanted: str
) -> None:
    augmentation, bundles = through(*languages, words)
    found, notes = augmented([{"text": text, "label": "a"} for text in texts], [augmentation], seed=1)
    assert found[2:] == [{"text": wanted, "label": "a", MARK: "back_translation"}]
    assert notes == ["1 training rows added by back_translation; 1 had nothing to change"]
    assert [bundle.asked for bundle in bundles] == [[2], [2]]


def test_back_translation_must_lead_back() -> None:
    for given in ({}, {"there": "a"}, {"back": "b"}):
        with pytest.raises(RecipeError, match="needs two translation bundles"):
            made("back_translation", **given).bind(lambda path, temperature: Dictionary("en", "zh", {}))
    with pytest.raises(RecipeError, match="goes en to zh by there, and en to zh by back"):
        made("back_translation", there="a", back="a").bind(lambda path, temperature: Dictionary("en", "zh", {}))
    with pytest.raises(RecipeError, match="it stands in data.augment alone"):
        made("back_translation").rewrite(ENGLISH, random.Random(0))
