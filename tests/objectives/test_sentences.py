from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tunesmith import testing
from tunesmith.core.errors import DataError
from tunesmith.core.registry import family
from tunesmith.objectives.marks import CLAUSE, SENTENCE
from tunesmith.objectives.packing import Around
from tunesmith.objectives.shelf import in_memory
from tunesmith.objectives.simcse import Sentences


def test_what_no_sentence_has_is_counted(processor: Callable[[str], Any]) -> None:
    made = processor("bert")
    around, shelf = Around.of(made), in_memory([*testing.toy_documents("en", 4), "good" * 9], made)
    whole = Sentences(shelf, around, SENTENCE, 64, 3)
    assert whole.left_out == 0 and sum(whole.lengths) == len(shelf.ids)
    short = Sentences(shelf, around, SENTENCE, 8 + len(around), 3)
    assert max(short.lengths) == 8 and short.left_out == len(shelf.ids) - sum(short.lengths) > 0
    assert "beyond 8 tokens" in short.left_out_why
    alone = int(shelf.ends[-1] - shelf.ends[-2])
    assert Sentences(shelf, around, CLAUSE, 64, 3, followed=True).left_out == alone, "the document of one clause"


def test_a_part_that_finds_nothing_to_ask_is_refused_in_words(processor: Callable[[str], Any]) -> None:
    made = processor("bert")
    shelf = in_memory(["good room"] * 5, made)
    mixed = family("objectives").make("mixed", {"parts": {"masked-lm": 1.0, "next-clause": 1.0}})
    mixed.restore({})
    with pytest.raises(DataError, match="next-clause finds nothing to ask .* documents of one clause"):
        mixed.drawn(shelf, made, max_length=48, seed=3)
