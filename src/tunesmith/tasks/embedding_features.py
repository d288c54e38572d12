"""Texts of rows as features and batches: to learn, a feature holds all texts of a row; to answer, one window of one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.core.contracts import Batch, Feature

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

LEAST = 1e-4
"""A window that weighs less beside the first one cannot move an answer, and is not computed."""


def to_learn(
    texts: Sequence[Sequence[str]], scores: Sequence[float], processor: PreTrainedTokenizerBase, max_length: int
) -> list[Feature]:
    """A feature a row: ``input_ids`` of its first text, ``others`` (second text, negatives), ``target``, its score.

    Texts are cut to ``max_length`` tokens: a text is learned by its beginning.
    """
    ids = iter(_ids(list(chain.from_iterable(texts)), processor, max_length))
    features: list[Feature] = []
    for row, (own, score) in enumerate(zip(texts, scores, strict=True)):
        first, *others = (next(ids) for _ in own)
        features.append({"row": row, "input_ids": first, "others": others, "target": score})
    return features


def to_answer(
    texts: Sequence[Sequence[str]], processor: PreTrainedTokenizerBase, max_length: int, decay: float
) -> list[Feature]:
    """A feature for each window of each text, with its ``side``, and the ``weight`` of the window in the text's vector.

    The weight is the window's tokens times ``decay`` to the power of the windows before it.
    """
    from tunesmith.tasks.windows import windows

    places = [(row, side) for row, own in enumerate(texts) for side in range(len(own))]
    kept: list[Feature] = []
    for text, group in groupby(windows(list(chain.from_iterable(texts)), None, processor, max_length), _row):
        for before, feature in enumerate(group):
            if (share := decay**before) >= LEAST:
                feature["row"], feature["side"] = places[text]
                feature["weight"] = share * len(feature["input_ids"])
                kept.append(feature)
    return kept


def batch_to_learn(features: Sequence[Feature], processor: PreTrainedTokenizerBase) -> Batch:
    """Each different text of the rows once, padded; and ``labels``, float32 [rows, 3 or more].

    A row of ``labels`` is its score, and where its first text, its second and its negatives stand among the texts
    (-1: no such negative). They come first, for the loop counts rows by the first array.
    """
    from tunesmith.tasks.sequence import padded

    place: dict[bytes, int] = {}
    labels = np.full((len(features), 2 + max(len(feature["others"]) for feature in features)), -1, dtype=np.float32)
    for i, feature in enumerate(features):
        texts = [feature["input_ids"], *feature["others"]]
        labels[i, 0] = feature["target"]
        labels[i, 1 : 1 + len(texts)] = [place.setdefault(text.tobytes(), len(place)) for text in texts]
    different = [{"input_ids": np.frombuffer(key, dtype=np.int32)} for key in place]
    return {"labels": labels, **padded(different, processor)}


def sides(members: Sequence[tuple[Feature, np.ndarray]]) -> list[np.ndarray]:
    """A row's vectors of length 1, float64: of the first text, and of the second where there is one.

    A text's windows are averaged by their weights.
    """
    sums: dict[int, Any] = {}
    for feature, array in members:
        if "side" not in feature:  # a row to learn: both sides in one array
            sums = dict(enumerate(array.astype(np.float64)))
            continue
        weighted = array.astype(np.float64) * feature["weight"]
        sums[feature["side"]] = sums.get(feature["side"], 0.0) + weighted
    return [sums[side] / max(float(np.linalg.norm(sums[side])), 1e-12) for side in sorted(sums)]


def _row(feature: Feature) -> int:
    return int(feature["row"])


def _ids(texts: list[str], processor: Any, max_length: int) -> list[np.ndarray]:
    found: list[np.ndarray] = []
    for start in range(0, len(texts), 1024):  # bounded: the tokenizer's own objects are large
        part = texts[start : start + 1024]
        encoded = processor(part, truncation=True, max_length=max_length, return_attention_mask=False)
        found += [np.asarray(ids, dtype=np.int32) for ids in encoded["input_ids"]]
    return found
