"""Relations as SemEval-2010 Task 8 counts them: both directions are one type, and "no relation" is none."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

NONE_NAMES = frozenset(
    ("other", "no_relation", "no-relation", "no relation", "norelation", "na", "n/a", "none", "null", "unknown",
     "0", "无", "无关系", "没有关系", "未知", "其他", "其它")
)  # fmt: skip
"""What labels that mean "no relation" are called, in lower case."""
_DIRECTED = re.compile(r"^(?P<type>.*\S)\s*\((e1,\s*e2|e2,\s*e1)\)$")


def numbers_only(labels: Sequence[str]) -> bool:
    """Whether labels are counted through, so that 0 is as good a label as 1.

    >>> numbers_only(["0", "1", "12"]), numbers_only(["0", "works for"])
    (True, False)
    """
    return all(label.strip().isdecimal() for label in labels)


def relation_types(labels: Sequence[str], none: str | None) -> list[int]:
    """Each label's type, counted from 0; -1 for the label that means none.

    >>> relation_types(["Cause(e1,e2)", "Cause(e2,e1)", "Other", "Part(e1,e2)"], "Other")
    [0, 0, -1, 1]
    """
    known: dict[str, int] = {}
    types = []
    for label in labels:
        found = _DIRECTED.match(label)
        name = found["type"] if found else label
        types.append(-1 if label == none else known.setdefault(name, len(known)))
    return types


def type_counts(true: NDArray[np.int64], predicted: NDArray[np.int64], types: Sequence[int]) -> NDArray[np.float32]:
    """[n, 3 m] for m types: hits (right in direction, too), then support, then predicted, whatever the direction.

    From their sums the official scorer's figures follow (Hendrickx et al. 2010, section 4): precision is
    hits / predicted, recall is hits / support, and F1 their harmonic mean.

    Args:
        true: labels [n], as indices into ``types``.
        predicted: the same.
    """
    of = np.asarray(types)
    kinds = np.arange(max(types, default=-1) + 1)
    support, found = (np.equal(of[given][:, None], kinds) for given in (true, predicted))
    hit = support & np.equal(true, predicted)[:, None]
    return np.concatenate([hit, support, found], axis=1).astype(np.float32)
