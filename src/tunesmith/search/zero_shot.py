"""Classify without a labelled row: a text goes to the label whose name is nearest to it in an encoder's space.

Similarity of text and label descriptions as in Yin et al. 2019 ("Benchmarking zero-shot text classification"), there
with entailment, and with sentence vectors as in Chang et al. 2008 ("dataless classification").
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.contracts import Prediction

Array = NDArray[Any]
TEMPERATURE = 0.05
"""Cosines of sentence encoders lie close together; over this they become probabilities."""


def label_text(label: str) -> str:
    """A label's name as words.

    >>> label_text("card_not-working"), label_text("cardNotWorking"), label_text("体育")
    ('card not working', 'card not working', '体育')
    """
    spaced = "".join(f" {c.lower()}" if c.isupper() and before.islower() else c for before, c in _pairs(label))
    return " ".join(spaced.replace("_", " ").replace("-", " ").replace("/", " ").split())


def speaks(labels: Sequence[str]) -> bool:
    """Whether the labels' names say anything: numbers and single letters do not.

    >>> speaks(["0", "1"]), speaks(["sports", "0"]), speaks(["积极", "消极"])
    (False, False, True)
    """
    words = [label_text(label) for label in labels]
    return all(any(c.isalpha() for c in w) and (len(w) > 1 or ord(w[0]) > 0x2E80) for w in words)


def zero_shot(texts: Array, names: Array, labels: Sequence[str]) -> list[Prediction]:
    """The nearest label of each text, with the softmax of the cosines.

    Args:
        texts: vectors of the texts, [n, width].
        names: vectors of the labels' names, [k, width].
        labels: the labels, k of them.
    """
    scores = _unit(texts) @ _unit(names).T / TEMPERATURE
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares = odds / odds.sum(axis=1, keepdims=True)
    best = shares.argmax(axis=1)
    return [
        {
            "label": labels[i],
            "score": float(row[i]),
            "scores": {label: float(p) for label, p in zip(labels, row, strict=True)},
        }
        for i, row in zip(best, shares, strict=True)
    ]


def _unit(vectors: Array) -> Array:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Array = vectors / np.maximum(lengths, 1e-12)
    return unit


def _pairs(text: str) -> list[tuple[str, str]]:
    return list(zip(" " + text[:-1], text, strict=True)) if text else []
