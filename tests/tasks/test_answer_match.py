"""Answers are compared as SQuAD and CMRC compare them."""

from __future__ import annotations

import pytest

from tunesmith.tasks.answer_match import answer_tokens, best, exact, overlap_f1, run_f1


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("The  Cat, and an Owl!", ["cat", "and", "owl"]),
        ("Anne's theatre", ["annes", "theatre"]),
        ("1,000 km", ["1000", "km"]),
        ("京剧《霸王别姬》", ["京", "剧", "霸", "王", "别", "姬"]),
        ("约 3,000 名 IBM员工", ["约", "3", "000", "名", "ibm", "员", "工"]),
        ("🙂", ["🙂"]),
        ("...", []),
    ],
)
def test_tokens(text: str, tokens: list[str]) -> None:
    assert answer_tokens(text) == tokens


def test_exact_match_forgives_case_marks_and_articles_only() -> None:
    assert exact("the Beatles.", "Beatles") == 1 and exact("Beatle", "Beatles") == 0
    assert exact("《红楼梦》", "红楼梦") == 1 and exact("红楼", "红楼梦") == 0


def test_f1_by_word_and_by_character() -> None:
    assert overlap_f1("in the old town", "old town hall") == pytest.approx(2 * 2 / 6)
    assert overlap_f1("天津市区", "天津") == pytest.approx(2 * 2 / 6)
    assert overlap_f1("to be or not to be", "to be") == pytest.approx(2 * 2 / 8), (
        "each word counts as often as both have it"
    )
    assert overlap_f1("津天", "天津") == 1 and run_f1("津天", "天津") == pytest.approx(0.5)
    assert run_f1("ann lives in rome", "bob lives in lima") == pytest.approx(0.5)


@pytest.mark.parametrize("score", [exact, overlap_f1, run_f1])
def test_the_best_reference_counts_and_nothing_agrees_with_nothing(score: object) -> None:
    assert best(score, "Rome", ["Lima", "Rome"]) == 1  # type: ignore[arg-type]
    assert best(score, "", []) == 1 and best(score, "Rome", []) == 0 and best(score, "", ["Rome"]) == 0  # type: ignore[arg-type]
