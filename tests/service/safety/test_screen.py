"""What is shown of a text while it is written: never a part of what a filter finds in the whole."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tunesmith.service.problems import Refused
from tunesmith.service.safety.guard import Guard
from tunesmith.service.safety.policy import Policy
from tunesmith.service.safety.screen import Screen

TEXTS = [
    "You bad word, you! A b\u200bad  word and a badge; bad.",
    "你是大笨蛋，真的。笨 蛋 ＢＡＤ word",
    "the cafe\u0301 and the café, sk-ABCDEFGH12345678XYZ and sk-no",
    "class assume ass. Ass",
    "plain text without anything",
    "",
]
WORDS = {"name": "words", "words": ["bad word", "笨蛋", "café", "ass"], "action": "mask"}
RULES = {"name": "keys", "rules": ["sk-[A-Za-z0-9]{16,}", "(?i)a.e"], "action": "mask"}


def guard(*filters: dict[str, Any], classify: Any = None) -> Guard:
    return Guard(Policy.model_validate({"outputs": filters}), classify)


def pieces(text: str, seed: int) -> list[str]:
    draw, found = random.Random(seed), []
    while text:
        size = draw.randint(1, 4)
        found.append(text[:size])
        text = text[size:]
    return found


@pytest.mark.parametrize("filters", [[WORDS], [RULES], [WORDS, RULES]])
@pytest.mark.parametrize("text", TEXTS)
def test_pieces_are_what_the_whole_becomes(text: str, filters: Any) -> None:
    made = guard(*filters)
    (wanted,), flags = made.after([text])
    for seed in range(6):
        screen = Screen(made)
        shown = ""
        for piece in pieces(text, seed):
            shown += screen.add(piece)
            assert wanted.startswith(shown), (wanted, shown)
        rest, found = screen.end()
        assert (shown + rest, found) == (wanted, flags)


def test_it_does_not_wait_for_the_end() -> None:
    screen = Screen(guard(WORDS, RULES))
    shown = "".join(screen.add(piece) for piece in pieces("once upon x time there was x king. " * 3, 1))
    assert len(shown) > 90


@pytest.mark.parametrize("text", ["so you are a bad word today", "你是大笨蛋，真的"])
def test_a_blocked_word_never_leaves(text: str) -> None:
    screen = Screen(guard({**WORDS, "action": "block"}))
    shown = ""
    with pytest.raises(Refused, match="words"):
        for character in text:
            shown += screen.add(character)
    assert shown in ("so you are a ", "你是大")


def test_a_word_at_the_end_is_found_at_the_end() -> None:
    screen = Screen(guard({**WORDS, "action": "block"}))
    assert screen.add("what an ass") == "what an "
    with pytest.raises(Refused):
        screen.end()
    screen = Screen(guard({**WORDS, "action": "block"}))
    assert screen.add("what an ass") + screen.add("embly") + screen.end()[0] == "what an assembly"


def test_a_flag_holds_nothing_back() -> None:
    screen = Screen(guard({**WORDS, "action": "flag"}))
    assert screen.add("笨") + screen.add("蛋") == "笨蛋"
    assert screen.end()[1] == [{"row": 0, "filter": "words", "on": "output", "action": "flag"}]


def test_a_classifier_sees_the_whole_first() -> None:
    def classify(product: str, texts: Sequence[str]) -> list[Mapping[str, Any]]:
        return [{"label": "rude" if "!" in text else "fine", "score": 1.0} for text in texts]

    spec = {"name": "tone", "classifier": "tones", "labels": ["rude"], "action": "block"}
    screen = Screen(guard(spec, classify=classify))
    assert screen.add("Go away") == screen.add("!") == ""
    with pytest.raises(Refused):
        screen.end()
    screen = Screen(guard(spec, classify=classify))
    assert screen.add("Welcome.") == "" and screen.end() == ("Welcome.", [])


def test_a_rule_that_takes_for_ever_shows_nothing_until_it_is_blocked() -> None:
    screen = Screen(guard({"name": "slow", "rules": [r"(.*a){20}b"], "action": "block"}))
    assert screen.add("a" * 3000) == ""
    with pytest.raises(Refused, match="slow"):
        screen.end()


def test_many_words_are_quick_enough() -> None:
    import time

    made = guard({**WORDS, "words": [f"word{i} of{i}" for i in range(5000)]})
    screen = Screen(made)
    text = "wor of1 wordy text that goes on and on. " * 60
    screen.add("x")
    began = time.perf_counter()
    for piece in pieces(text, 3)[:200]:
        screen.add(piece)
    assert (time.perf_counter() - began) / 200 < 0.005
