from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tunesmith import testing
from tunesmith.core.registry import family
from tunesmith.objectives.marks import SENTENCE
from tunesmith.objectives.pair_rows import AroundPair, PairRows
from tunesmith.objectives.shelf import Shelf, in_memory

ROOM = 64


def long_documents(language: str, count: int = 30) -> list[str]:
    """Of one to twenty sentences."""
    draw = random.Random(language)
    return [
        text
        for size in draw.choices(range(1, 21), k=count)
        for text in testing.toy_documents(language, 1, seed=draw.randrange(10**6), sentences=size)
    ]


def bounds_of(shelf: Shelf) -> set[int]:
    """Where sentences start or end."""
    return set(np.flatnonzero(np.asarray(shelf.marks) & SENTENCE).tolist()) | set(shelf.ends.tolist())


@pytest.mark.parametrize("language", ["en", "zh"])
def test_both_parts_and_what_stands_in_for_one_are_whole_sentences(
    language: str, processor: Callable[[str], Any]
) -> None:
    shelf = in_memory(long_documents(language), processor("bert"))
    rows, bounds, text = PairRows(shelf, room=ROOM, seed=3), bounds_of(shelf), shelf.ids.tolist()
    assert len(rows) > 20
    ids = "".join(chr(i) for i in text)

    def whole(part: np.ndarray) -> bool:
        """Whether it stands somewhere from a sentence's start to one's end."""
        own, place = "".join(map(chr, part.tolist())), -1
        while (place := ids.find(own, place + 1)) >= 0:
            if {place, place + len(own)} <= bounds:
                return True
        return False

    for i in range(len(rows)):
        row = rows[i]
        assert all(whole(row[name]) for name in ("first", "second", "other")), i
        assert len(row["input_ids"]) == rows.lengths[i] <= ROOM
    assert rows.left_out == len(text) - sum(rows.lengths)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_length_tells_the_label(language: str, processor: Callable[[str], Any]) -> None:
    made = processor("bert")
    rows = PairRows(in_memory(long_documents(language, 60), made), room=ROOM, seed=3)
    pairs = [rows[i] for i in range(len(rows))]
    gaps = np.array([len(row["other"]) - len(row["second"]) for row in pairs])
    assert np.mean(gaps == 0) > 0.9 and abs(gaps.mean()) < 0.1, gaps
    objective = family("objectives").make("next-sentence")
    drawn = objective.drawn(rows.shelf, made, max_length=ROOM, seed=3)
    batch = objective.collate([drawn[i] for i in range(len(drawn))], made)
    assert batch["input_ids"].shape[1] <= ROOM, "no row is longer than the window"
    sizes = batch["attention_mask"].sum(1)
    told = sizes == max(drawn.lengths) + len(AroundPair.of(made))
    assert abs(told[batch["labels"] == 0].mean() - told[batch["labels"] == 1].mean()) < 0.15


def test_a_document_of_one_sentence_is_asked_and_not_learned(processor: Callable[[str], Any]) -> None:
    shelf = in_memory(["The room was clean, the food was good."], processor("bert"))
    assert len(PairRows(shelf, room=ROOM, seed=3)) == 0
    asked = PairRows(shelf, room=ROOM, seed=3, whole=False)
    assert len(asked) == 1 and len(asked[0]["first"]) and len(asked[0]["second"])
