"""Near duplicates: found where they are, not elsewhere, in both languages."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
import pytest

from tunesmith.data.codes import folded_hashes, hashes
from tunesmith.data.duplicates import exact_groups, merged, near_groups

HAN = [chr(0x4E00 + i) for i in range(800)]


def column(texts: list[str | None]) -> pa.ChunkedArray:
    half = len(texts) // 2
    return pa.chunked_array([pa.array(texts[:half], pa.large_string()), pa.array(texts[half:], pa.large_string())])


def random_texts(count: int, chinese: bool, length: int) -> list[str]:
    rng = random.Random(5)
    if chinese:
        return ["".join(rng.choices(HAN, k=length)) for _ in range(count)]
    return [
        " ".join("".join(rng.choices("etaoinshrdlu", k=rng.randint(2, 9))) for _ in range(length // 5))
        for _ in range(count)
    ]


def changed(text: str, share: float, rng: random.Random) -> str:
    """One stretch of the text replaced."""
    size = max(1, int(share * len(text)))
    at = rng.randrange(len(text) - size)
    return text[:at] + "x" * size + text[at + size :]


@pytest.mark.parametrize(("chinese", "length"), [(False, 150), (False, 500), (True, 40), (True, 400)])
def test_recall_and_precision(chinese: bool, length: int) -> None:
    rng = random.Random(7)
    base = random_texts(500, chinese, length)
    near = [changed(t, 0.04, rng) for t in base]
    far = [changed(t, 0.4, rng) for t in base]
    groups = near_groups(column([*base, *near, *far]))
    assert (groups[500:1000] == np.arange(500)).mean() > 0.97
    assert (groups[1000:] == np.arange(1000, 1500)).all()


def test_case_width_and_punctuation_do_not_matter() -> None:
    texts = [
        "Great phone!",
        "great PHONE",
        "ｇｒｅａｔ phone…",
        "质量很好！",
        "质量 很好",
        "质量不好",
        "!!!",
        "???",
        "!!!",
        "",
        None,
    ]
    assert near_groups(column(texts)).tolist() == [0, 0, 0, 3, 3, 5, 6, 7, 6, 9, 10]


def test_a_word_in_a_short_text_matters() -> None:
    texts = ["not good at all", "so good at all", "我很喜欢", "我不喜欢"]
    assert near_groups(column(texts)).tolist() == [0, 1, 2, 3]


def test_hashes_do_not_depend_on_neighbours_or_chunks() -> None:
    texts = ["a", "", "很好", "a", "ab", "ba", "x" * 5000]
    whole = hashes(column(texts))
    assert [hashes(column(["zz", t]))[1] for t in texts] == whole.tolist()
    assert len(set(whole.tolist())) == 6
    # Pinned, since splits must be the same on every machine.
    assert hashes(pa.chunked_array([["a很"]]))[0] == 0x8C8E98052985A875
    assert folded_hashes(column(["A b", "ab"]))[0] == folded_hashes(column(["A b", "ab"]))[1]


def test_groups() -> None:
    assert exact_groups(np.array([5, 7, 5, 7, 9])).tolist() == [0, 1, 0, 1, 4]
    assert merged(np.array([0, 1, 0, 3]), np.array([0, 1, 1, 3])).tolist() == [0, 0, 0, 3]


def test_many_copies_take_linear_time() -> None:
    texts = [
        f"the same long sentence about a hotel room that was clean and quiet, again and again {i % 10}"
        for i in range(20000)
    ]
    groups = near_groups(column(texts))
    assert set(groups.tolist()) == {0}
