"""Spans that do not fit their text are told with the text around them; words and texts, spaced and not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.data.spans import around, broken, overlapping, without_duplicates
from tunesmith.data.words_in_text import joined, units

TEXT = "我们在北京 met 👍🏽 Ann"


def span(start: int, end: int, label: str = "x", **more: str) -> dict[str, object]:
    return {"start": start, "end": end, "label": label, **more}


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (span(3, 99), "outside the text, which has 16 characters"),
        (span(-1, 2), "outside"),
        (span(3, 3), "empty"),
        (span(5, 3), "empty"),
        (span(3, 5, text="上海"), 'should be "上海" and is not: "我们在[北京] met'),
    ],
)
def test_broken_spans_are_told(bad: dict[str, object], words: str) -> None:
    found = broken(TEXT, bad)
    assert found is not None and words in found and '"x"' in found


def test_good_spans_are_left_alone() -> None:
    assert broken(TEXT, span(3, 5, text="北京")) is None
    assert broken(TEXT, span(13, 16, text="Ann")) is None, "emoji count as Python counts them"


def test_spans_begin_and_end_with_words() -> None:
    words = [[0, 2], [2, 3], [3, 5], [6, 9]]
    assert broken(TEXT, span(2, 5), words) is None
    for bad in (span(1, 5), span(2, 4), span(10, 16)):
        assert "cuts through a word" in str(broken(TEXT, bad, words))


def test_overlaps_and_duplicates() -> None:
    nested = [span(0, 9, "org"), span(2, 4, "city"), span(9, 10, "x"), span(2, 4, "city")]
    assert [s["label"] for s in overlapping(nested)] == ["city", "city"]
    assert [(s["start"], s["end"]) for s in without_duplicates(nested)] == [(0, 9), (2, 4), (9, 10)]
    assert around("a\nb", 2, 3) == '"a [b]"'


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        (["EU", "rejects", "it", "."], "EU rejects it ."),
        (["我", "在", "N", "B", "A", "1", "2"], "我在NBA12"),
        (["我", "喜欢", "iPhone", "12", "。"], "我喜欢iPhone 12。"),
        (["한국", "사람"], "한국 사람"),
        (["Müller", "、", "北京"], "Müller、北京"),
        (["—", "2"], "—2"),
    ],
)
def test_tokens_become_the_text_a_user_would_write(tokens: list[str], text: str) -> None:
    made, words = joined(tokens)
    assert made == text and [made[a:b] for a, b in words] == tokens


@given(st.text(max_size=30))
def test_units_are_in_order_and_leave_out_only_space(text: str) -> None:
    found = units(text)
    assert "".join(text[a:b] for a, b in found) == "".join(text.split())
    assert all(a < b for a, b in found) and [a for a, _ in found] == sorted(a for a, _ in found)
