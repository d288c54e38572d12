"""What is held out of a corpus and what is learned, in one pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tunesmith import testing
from tunesmith.data.corpus import Corpus, keys
from tunesmith.objectives.held_out import held_keys, write_divided
from tunesmith.objectives.shelf import FACTS, Shelf, is_finished

TEXTS = testing.toy_documents("en", 120)


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    again = [f" {text.upper()}" for text in TEXTS[:40]]  # the same but for case and space
    (tmp_path / "corpus.txt").write_text("\n".join([*TEXTS, *again, "   "]), "utf-8")
    return Corpus(str(tmp_path / "corpus.txt"), hold=0.5)


def documents(shelf: Shelf) -> list[tuple[int, ...]]:
    return [tuple(shelf.ids[a:b].tolist()) for a, b in zip(shelf.starts, shelf.ends, strict=True)]


def divided(corpus: Corpus, place: Path, made: Any, **given: Any) -> tuple[Shelf, Shelf]:
    options = {"limit": None, "held_limit": 100, **given}
    return write_divided(place / "corpus", place / "held", corpus.divided(), made, **options)


def test_the_smallest_keys_of_the_whole_corpus_are_held_out_and_all_others_learned(
    corpus: Corpus, processor: Callable[[str], Any], tmp_path: Path
) -> None:
    made = processor("bert")
    shelf, held = divided(corpus, tmp_path, made)
    ranked = [TEXTS[i] for i in np.argsort(keys(TEXTS))]
    tokens = [tuple(made(text, add_special_tokens=False)["input_ids"]) for text in ranked]
    count = int(np.searchsorted(np.cumsum([len(one) for one in tokens]), 100)) + 1
    assert len(held.ids) == 100 and len(held) == count and documents(held)[:-1] == tokens[: count - 1]
    assert documents(held)[-1] == tokens[count - 1][: len(documents(held)[-1])]
    places = sorted(TEXTS.index(text) for text in ranked[:count])
    assert places[-1] > 60, "not from the beginning alone"
    found = held_keys(tmp_path / "held")
    assert found is not None and found.tolist() == np.sort(keys(TEXTS))[:count].tolist()
    every = [text.strip() for text in Path(corpus.path).read_text("utf-8").splitlines() if text.strip()]
    learned = [text for text in every if text.lower() not in {one.lower() for one in ranked[:count]}]
    assert len(shelf) == len(learned) and set(tokens[count:]) <= set(documents(shelf))
    assert not set(tokens[:count]) & set(documents(shelf))


def test_a_pass_that_broke_off_is_made_again_alike(
    corpus: Corpus, processor: Callable[[str], Any], tmp_path: Path
) -> None:
    made = processor("bert")
    whole = divided(corpus, tmp_path / "whole", made)

    def breaks() -> Iterator[Any]:
        for count, one in enumerate(corpus.divided()):
            if count == 100:
                raise KeyboardInterrupt
            yield one

    place = tmp_path / "broken"
    with pytest.raises(KeyboardInterrupt):
        write_divided(place / "corpus", place / "held", breaks(), made, limit=None, held_limit=100)
    assert not is_finished(place / "corpus") and not is_finished(place / "held")
    with pytest.raises(ZeroDivisionError):
        divided(corpus, place, made, read=lambda: 1 // 0)
    assert not is_finished(place / "corpus") and not is_finished(place / "held")
    divided(corpus, place, made)
    (place / "held" / FACTS).unlink()  # one half alone is none
    again = divided(corpus, place, made)
    there = write_divided(place / "corpus", place / "held", [], made, limit=None, held_limit=1)
    for one in (again, there):
        for side, first in zip(one, whole, strict=True):
            assert np.array_equal(side.ids, first.ids) and np.array_equal(side.ends, first.ends)


def test_with_a_limit_it_is_read_on_until_enough_is_held_out(
    corpus: Corpus, processor: Callable[[str], Any], tmp_path: Path
) -> None:
    shelf, held = divided(corpus, tmp_path, processor("bert"), limit=50)
    assert (len(shelf.ids), len(held.ids)) == (50, 100)
    assert not set(documents(shelf)[:-1]) & set(documents(held))
