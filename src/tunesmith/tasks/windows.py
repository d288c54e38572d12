"""Long texts as overlapping windows: nothing is silently cut."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tunesmith.core.contracts import Feature

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

OVERLAP = 0.125
"""Share of a window that the next one repeats, so that no phrase is only ever seen cut in two."""


def windows(
    texts: Sequence[str],
    pairs: Sequence[str | None] | None,
    processor: PreTrainedTokenizerBase,
    max_length: int,
) -> list[Feature]:
    """Tokenise; a text of more than ``max_length`` tokens becomes several features of the same row.

    Of a pair, the longer side is divided and the shorter one stands in each window (cut to half a window
    where it alone would fill it).

    Returns:
        Features in the rows' order: ``row``, ``input_ids`` (int32, [length]), ``token_type_ids`` where the
        model has them, and ``offset``: where the window's first character stands in the divided text.
    """
    features: list[Feature] = []
    for start in range(0, len(texts), 1024):  # bounded: the tokenizer's own objects are large
        part = slice(start, start + 1024)
        features += _encode(texts[part], pairs[part] if pairs is not None else None, processor, max_length, start)
    return features


def _encode(
    texts: Sequence[str], pairs: Sequence[str | None] | None, processor: PreTrainedTokenizerBase, limit: int, first: int
) -> list[Feature]:
    # A row without a second text is encoded as a single one, whatever stands beside it.
    both = [i for i in range(len(texts)) if pairs is not None and pairs[i]]
    single = sorted(set(range(len(texts))) - set(both))
    features: list[Feature] = []
    if single:
        rows = [first + i for i in single]
        features += _call([texts[i] for i in single], None, "only_first", processor, limit, rows)
    left = _tokens([texts[i] for i in both], processor)
    right = _tokens([(pairs[i] if pairs is not None else None) or "" for i in both], processor)
    room = max(1, limit // 2 - processor.num_special_tokens_to_add(pair=True))
    # The longer side in tokens: in characters, English looks longer than Chinese.
    longer_first = [len(one[1]) >= len(other[1]) for one, other in zip(left, right, strict=True)]
    for side, truncation in ((True, "only_first"), (False, "only_second")):
        chosen = [k for k, longer in enumerate(longer_first) if longer is side]
        if chosen:
            ones = [left[k][0] if side else _cut(*left[k], room) for k in chosen]
            others = [_cut(*right[k], room) if side else right[k][0] for k in chosen]
            features += _call(ones, others, truncation, processor, limit, [first + both[k] for k in chosen])
    return sorted(features, key=lambda feature: feature["row"])  # stable: windows stay in order


def _tokens(texts: list[str], processor: PreTrainedTokenizerBase) -> list[tuple[str, list[tuple[int, int]]]]:
    """Each text with where its tokens stand in it."""
    if not texts:
        return []
    found = processor(texts, add_special_tokens=False, return_offsets_mapping=True, return_attention_mask=False)
    return list(zip(texts, found["offset_mapping"], strict=True))


def _call(
    texts: list[str],
    pairs: list[str] | None,
    truncation: str,
    processor: PreTrainedTokenizerBase,
    limit: int,
    rows: list[int],
) -> list[Feature]:
    encoded = processor(
        texts,
        pairs,
        truncation=truncation,
        max_length=limit,
        stride=_stride(limit, processor, pairs),
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
        return_attention_mask=False,
    )
    side = 1 if truncation == "only_second" else 0
    features = []
    for i, (source, ids) in enumerate(zip(encoded["overflow_to_sample_mapping"], encoded["input_ids"], strict=True)):
        feature: Feature = {"row": rows[source], "input_ids": np.asarray(ids, dtype=np.int32)}
        if "token_type_ids" in encoded:
            feature["token_type_ids"] = np.asarray(encoded["token_type_ids"][i], dtype=np.int8)
        sides = encoded.encodings[i].sequence_ids
        feature["offset"] = next((encoded["offset_mapping"][i][k][0] for k, s in enumerate(sides) if s == side), 0)
        features.append(feature)
    return features


def _stride(limit: int, processor: PreTrainedTokenizerBase, pairs: list[str] | None) -> int:
    # A pair's shorter side may take half of the window; the overlap must stay below what is left.
    room = limit - processor.num_special_tokens_to_add(pair=pairs is not None)
    return max(0, int((room // 2 if pairs is not None else room) * OVERLAP))


def _cut(text: str, offsets: list[tuple[int, int]], room: int) -> str:
    return text if len(offsets) <= room else text[: offsets[room - 1][1]]
