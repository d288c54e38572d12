"""What metrics read of spans: a span is right where its place and its label are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tunesmith.core.contracts import Evidence

Span = Mapping[str, Any]
SHOWN = 6
"""Spans of a row that are shown."""


def span_evidence(
    texts: Sequence[str],
    true: Sequence[Sequence[Span]],
    predicted: Sequence[Sequence[Span]],
    scores: Sequence[float],
    labels: Sequence[str],
) -> Evidence:
    """Evidence of n rows.

    Args:
        scores: how likely each row's spans are all right.
        labels: the classes. True spans of other labels make one more class, which comes last, so that they count
            as missed.

    Returns:
        ``hit`` bool [n], ``confidence`` [n], ``true`` and ``predicted_as`` str [n], ``class_counts`` [n, 3k]: right,
        true and predicted spans of each class. micro-F1 over them is seqeval's F1.
    """
    pairs = [(_keys(one), _keys(other)) for one, other in zip(true, predicted, strict=True)]
    return {
        "hit": np.array([one == other for one, other in pairs], dtype=bool),
        "confidence": np.array(scores, dtype=np.float64),
        "true": _shown(texts, true),
        "predicted_as": _shown(texts, predicted),
        "class_counts": _counts(pairs, labels),
    }


def _keys(spans: Sequence[Span]) -> set[tuple[int, int, str]]:
    return {(span["start"], span["end"], str(span["label"])) for span in spans}


def _counts(pairs: Sequence[tuple[set[Any], set[Any]]], labels: Sequence[str]) -> np.ndarray:
    index = {label: i for i, label in enumerate(labels)}
    unseen = any(label not in index for true, _ in pairs for _, _, label in true)
    k = len(labels) + unseen
    counts = np.zeros((len(pairs), 3, k), dtype=np.float32)
    for row, (true, predicted) in enumerate(pairs):
        for kind, spans in enumerate((true & predicted, true, predicted)):
            for _, _, label in spans:
                counts[row, kind, index.get(label, k - 1)] += 1
    return counts.reshape(len(pairs), 3 * k)


def _shown(texts: Sequence[str], spans: Sequence[Sequence[Span]]) -> np.ndarray:
    made = np.empty(len(texts), dtype=object)
    for i, (text, found) in enumerate(zip(texts, spans, strict=True)):
        words = [f"{text[s['start'] : s['end']][:40]} = {s['label']}" for s in found[:SHOWN]]
        made[i] = "; ".join([*words, f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else words) or "no span"
    return made
