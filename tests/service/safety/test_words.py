from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith.service.safety import words
from tunesmith.service.safety.normal import aligned, normal
from tunesmith.service.safety.words import Words


@pytest.mark.parametrize(
    ("word", "text", "found"),
    [
        ("idiot", "You IDIOT!", "IDIOT"),
        ("idiot", "an ｉｄｉｏｔ here", "ｉｄｉｏｔ"),
        ("idiot", "an id\u200bi\u00adot here", "id\u200bi\u00adot"),
        ("idiot", "idiotic idiots", None),
        ("idiot", "你是idiot吗", "idiot"),
        ("笨蛋", "你这个大笨蛋啊", "笨蛋"),
        ("笨蛋", "笨的蛋", None),
        ("加微信", "请加\u200b微信", "加\u200b微信"),
        ("cafe\u0301", "the CAFÉ is", "CAFÉ"),
        ("バカ", "お前はﾊﾞｶだ", "ﾊﾞｶ"),
        ("straße", "STRASSE", "STRASSE"),
        ("go to hell", "Go  to\n hell.", "Go  to\n hell"),
        ("c++", "I like C++, yes", "C++"),
        ("蛋", "蛋", "蛋"),
        ("한국", "한국에서", "한국"),
        ("a", "a b", "a"),
    ],
)
def test_words_are_found_in_any_spelling(word: str, text: str, found: str | None) -> None:
    spelled = aligned(text)
    places = [spelled.place(*place) for place in Words([word]).find(spelled.text)]
    assert [text[start:end] for start, end in places] == ([] if found is None else [found])
    assert bool(Words([word]).find(normal(text))) == (found is not None)


def test_the_longest_word_at_a_place_and_none_within_another() -> None:
    listed = Words(["法轮", "法", "法轮功课", "轮功", "new york", "new"])
    assert listed.find("学法轮功课 new york new") == [(1, 5), (6, 14), (15, 18)]
    assert listed.find("法轮x法") == [(0, 2), (3, 4)]
    assert Words(["new", "new y"]).find("new york") == [(0, 3)]  # the longer one does not stand alone


@given(st.text(max_size=60))
@settings(deadline=None, max_examples=300)
def test_both_spellings_are_one(text: str) -> None:
    for fold in (True, False):
        spelled = aligned(text, fold=fold)
        assert spelled.text == normal(text, fold=fold)
        assert len(spelled.starts) == len(spelled.ends) == len(spelled.text)
        assert all(0 <= a < b <= len(text) for a, b in zip(spelled.starts, spelled.ends, strict=True))


@given(
    st.text(alphabet="ab 笨蛋é", max_size=30),
    st.lists(st.text(alphabet="ab 笨蛋é", min_size=1, max_size=4), max_size=6),
)
@settings(deadline=None, max_examples=200)
def test_as_a_plain_search_finds(text: str, listed: list[str]) -> None:
    """Against the slow and plain way: try every word at every place."""
    spelled, known = normal(text), {w for word in listed if (w := normal(word).strip())}
    plain, at = [], 0
    while at < len(spelled):
        ends = [
            at + len(w) for w in known if spelled.startswith(w, at) and words.stands_alone(spelled, at, at + len(w))
        ]
        if ends:
            plain.append((at, max(ends)))
        at = max(ends, default=at + 1)
    assert Words(listed).find(spelled) == plain


def test_ten_thousand_words_cost_little() -> None:
    listed = Words([f"词{i:05d}" for i in range(5000)] + [f"word{i}" for i in range(5000)])
    text = normal("这是一个很长的句子，里面什么都没有。word word123x " * 20)
    started = time.perf_counter()
    for _ in range(20):
        assert listed.find(text) == []
    assert (time.perf_counter() - started) / 20 < 0.01
