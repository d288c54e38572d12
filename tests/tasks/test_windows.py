"""Long texts become windows, and no token of them is lost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tunesmith.tasks.windows import OVERLAP, windows
from tunesmith.testing import toy_rows

ENGLISH = " ".join(row["text"] for row in toy_rows("en", 30))
CHINESE = "".join(row["text"] for row in toy_rows("zh", 30))
MIXED = "🙂 great 房间 👍🏽 很好 👨‍👩‍👧 " * 30
SHORT = "The room was great. 房间很好。"


def ids(processor: Any, text: str) -> list[int]:
    return list(processor(text, add_special_tokens=False)["input_ids"])


def inner(processor: Any, feature: dict[str, Any]) -> list[int]:
    """A window's tokens without the special ones."""
    special = {processor.cls_token_id, processor.sep_token_id}
    return [i for i in feature["input_ids"].tolist() if i not in special]


def stitched(pieces: list[list[int]], overlap: int) -> list[int]:
    return pieces[0] + [i for piece in pieces[1:] for i in piece[overlap:]]


@pytest.mark.parametrize("text", [ENGLISH, CHINESE, MIXED], ids=["en", "zh", "emoji"])
@pytest.mark.parametrize("limit", [16, 40])
def test_every_token_is_in_a_window_in_order(processor: Any, text: str, limit: int) -> None:
    features = windows([SHORT, text, SHORT], None, processor, limit)
    assert [f["row"] for f in features] == sorted(f["row"] for f in features)
    assert all(len(f["input_ids"]) <= limit and f["input_ids"].dtype == np.int32 for f in features)
    pieces = [inner(processor, f) for f in features if f["row"] == 1]
    room = limit - processor.num_special_tokens_to_add()
    overlap = int(room * OVERLAP)
    assert overlap > 0 and len(pieces) > 2
    for before, after in zip(pieces, pieces[1:], strict=False):
        assert before[-overlap:] == after[:overlap]
    assert stitched(pieces, overlap) == ids(processor, text)


@pytest.mark.parametrize("text", [ENGLISH, CHINESE, MIXED], ids=["en", "zh", "emoji"])
def test_offsets_point_into_the_original_text(processor: Any, text: str) -> None:
    features = windows([text], None, processor, 24)
    mapping = processor(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    room = 24 - processor.num_special_tokens_to_add()
    step = room - int(room * OVERLAP)
    assert [f["offset"] for f in features] == [mapping[i * step][0] for i in range(len(features))]
    assert features[0]["offset"] == 0 and features[-1]["offset"] < len(text)


def test_what_fits_is_one_window(processor: Any) -> None:
    exact = len(ids(processor, SHORT)) + processor.num_special_tokens_to_add()
    assert len(windows([SHORT], None, processor, exact)) == 1
    assert len(windows([SHORT], None, processor, exact - 1)) == 2
    assert len(windows([""], None, processor, 8)) == 1


def test_many_rows_keep_their_order(bert_processor: Any) -> None:
    rows = [f"room {i}" if i % 500 else ENGLISH for i in range(2500)]
    found = [f["row"] for f in windows(rows, None, bert_processor, 64)]
    assert found == sorted(found) and set(found) == set(range(2500))


@pytest.mark.parametrize(("long", "short"), [(ENGLISH, SHORT), (CHINESE, "很好"), (MIXED, "")])
@pytest.mark.parametrize("long_first", [True, False])
def test_of_a_pair_the_longer_side_is_divided(processor: Any, long: str, short: str, long_first: bool) -> None:
    pair = (long, short) if long_first else (short, long)
    features = windows([pair[0], "room"], [pair[1], "great"], processor, 80)
    mine = [f for f in features if f["row"] == 0]
    assert [f["row"] for f in features] == [0] * len(mine) + [1] and len(mine) > 1
    assert all(len(f["input_ids"]) <= 80 for f in features)
    kept = ids(processor, short)
    seen: set[int] = set()
    for feature in mine:
        tokens = inner(processor, feature)
        assert (tokens[-len(kept) :] if long_first else tokens[: len(kept)]) == kept or not kept
        seen |= set(tokens)
    assert set(ids(processor, long)) <= seen


@pytest.mark.parametrize("pair", [(ENGLISH, CHINESE), (CHINESE, ENGLISH), (MIXED, MIXED)])
def test_of_two_long_sides_the_longer_one_is_whole(processor: Any, pair: tuple[str, str]) -> None:
    features = windows([pair[0]], [pair[1]], processor, 64)
    assert all(len(f["input_ids"]) <= 64 for f in features)
    longer = max(pair, key=lambda text: len(ids(processor, text)))
    assert set(ids(processor, longer)) <= {i for f in features for i in inner(processor, f)}


def test_the_longer_side_is_the_one_of_more_tokens(bert_processor: Any) -> None:
    """An English side may have more characters, and fewer tokens, than a Chinese one."""
    english, chinese = "great great great great great great", "房间很好" * 8
    assert len(english) > len(chinese) and len(ids(bert_processor, english)) < len(ids(bert_processor, chinese))
    features = windows([english], [chinese], bert_processor, 32)
    kept = sum(len(inner(bert_processor, f)) - 6 for f in features)
    assert kept >= 32


def test_a_row_reads_alike_whatever_stands_beside_it(processor: Any) -> None:
    alone = windows(["The room"], None, processor, 32)[0]["input_ids"].tolist()
    for pairs in (["great", None], ["great", ""]):
        assert windows(["The food", "The room"], pairs, processor, 32)[1]["input_ids"].tolist() == alone


def test_token_types_tell_the_sides_apart(bert_processor: Any) -> None:
    (feature,) = windows(["room"], ["房间"], bert_processor, 16)
    assert feature["token_type_ids"].tolist() == [0, 0, 0, 1, 1, 1]
