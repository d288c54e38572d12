"""What is told of a row and its answer, so that many can be compared with many. No text is kept."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.contracts import Feature, Prediction
from tunesmith.data.language import language_of

DIMENSIONS = 16
BUCKETS = 4096
SEED = 13
DIGITS = 4
READ = 300
"""Characters of a text by which its language is told."""
NUMBERS = ("length", "unknown", "confidence", *(f"embedding_{i}" for i in range(DIMENSIONS)))
"""Tokens; share of tokens that the tokenizer does not know; the answer's score; a random projection of the tokens."""
WORDS = ("language", "class")
CLOUDS = ("inputs", "outputs")
"""Compared in all directions at once: the projection of the tokens; the model's vector of the row, or its scores."""
FAINT = 1e-3
"""A probability below this is as good as none: its logarithm would say more of the runtime than of the row."""


@dataclass(frozen=True)
class Facts:
    """Of one row.

    Args:
        numbers: in the order of ``NUMBERS``; NaN where there is none.
        words: in the order of ``WORDS``; empty where there is none.
        clouds: points in the order of ``CLOUDS``, each [dimensions]; of none where there is none.
    """

    numbers: NDArray[np.float64]
    words: tuple[str, ...]
    clouds: tuple[NDArray[np.float64], ...]


@cache
def _signs(rows: int) -> NDArray[np.float32]:
    """[rows, dimensions]: 1 or -1, the same in every process, so that baselines can be compared with."""
    drawn = np.random.Generator(np.random.PCG64(SEED)).integers(0, 2, (rows, DIMENSIONS))
    return (2 * drawn - 1).astype(np.float32)


def embedded(ids: NDArray[Any]) -> NDArray[np.float64]:
    """Tokens as a point: the mean of a random sign vector for each (Achlioptas 2003), [dimensions].

    It needs no model, so it is the same whatever the runtime, and costs some microseconds.
    """
    buckets = (np.unique(ids).astype(np.uint64) * np.uint64(2654435761) >> np.uint64(7)) % np.uint64(BUCKETS)
    found: NDArray[np.float64] = _signs(BUCKETS)[buckets.astype(np.int64)].mean(axis=0).astype(np.float64)
    return found


def answered(answer: Prediction) -> NDArray[np.float64]:
    """What a model made of a row, as a point: its vector, or the centred logarithms of its scores; [0] without both.

    What has more than ``DIMENSIONS`` numbers is projected by random signs.

    >>> answered({"label": "a", "scores": {"b": 0.2, "a": 0.8}}).round(3).tolist()
    [0.693, -0.693]
    """
    scores, vector = answer.get("scores"), answer.get("vector")
    if isinstance(scores, Mapping) and scores:
        logs = np.log(np.clip([float(scores[name]) for name in sorted(scores)], FAINT, 1.0))
        found: NDArray[np.float64] = logs - logs.mean()
    elif isinstance(vector, Sequence | np.ndarray) and len(vector):
        found = np.asarray(vector, dtype=np.float64)
    else:
        return np.zeros(0)
    if len(found) > DIMENSIONS:
        found = np.asarray(found @ _signs(len(found)), dtype=np.float64) / math.sqrt(len(found))
    return found


def facts(text: str, ids: Sequence[NDArray[Any]], answer: Prediction, unknown: int | None) -> Facts:
    """Of a row.

    Args:
        text: what was asked, for its language.
        ids: tokens of its windows.
        answer: what was answered.
        unknown: the id of tokens that the tokenizer does not know; None: it knows all.
    """
    every = np.concatenate(ids) if len(ids) > 1 else np.asarray(ids[0])
    share = 0.0 if unknown is None or not len(every) else float((every == unknown).mean())
    score, label = answer.get("score"), answer.get("label")
    sure = float(score) if isinstance(score, int | float) else float("nan")
    spread = embedded(every) if len(every) else np.zeros(DIMENSIONS)
    return Facts(
        # Rounded as a baseline's file is: equal numbers must stay equal, or ties would look like differences.
        np.round(np.concatenate([[len(every), share, sure], spread]), DIGITS),
        (language_of([text[:READ]]), label if isinstance(label, str) else ""),
        (spread, answered(answer)),
    )


def facts_of(
    rows: Sequence[Mapping[str, Any]], features: Sequence[Feature], answers: Sequence[Prediction], unknown: int | None
) -> Iterator[Facts]:
    """Of many rows; ``features`` stand in the rows' order, those of a row beside each other."""
    windows = (list(some) for _, some in groupby(features, key=lambda feature: feature["row"]))
    for row, own, answer in zip(rows, windows, answers, strict=False):
        text = " ".join(value for value in row.values() if isinstance(value, str))
        yield facts(text, [np.asarray(window["input_ids"]) for window in own], answer, unknown)
