"""Rows worth reading: those that tuning fixed and broke, and the worst errors. JSON values throughout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tunesmith.core.contracts import Evidence, Row
from tunesmith.evaluation.evidence import Array, hits, kind_of

CLIP = 600
"""Characters of a text that a report keeps."""


def flips(
    before: Evidence, after: Evidence, rows: Sequence[Row], class_names: Sequence[str], *, limit: int = 20
) -> dict[str, Any]:
    """Rows that only one of the two answers right: ``{"fixed", "broken"}``, each ``{"count", "examples"}``.

    The surest answers come first. For numbers: rows whose error shrank or grew, the largest change first.
    """
    if kind_of(after) == "regression":
        change = np.abs(_residual(after)) - np.abs(_residual(before))
        groups = {"fixed": (change < 0, change), "broken": (change > 0, -change)}
    else:
        was, now, order = hits(before), hits(after), -confidence(after)
        groups = {"fixed": (now & ~was, order), "broken": (was & ~now, order)}
    out = {}
    for name, (chosen, order) in groups.items():
        picked = np.flatnonzero(chosen)
        picked = picked[np.argsort(order[picked], kind="stable")]
        out[name] = {
            "count": len(picked),
            "examples": [
                {**example(after, rows, class_names, i), "before": answer(before, class_names, i)["predicted"]}
                for i in picked[:limit].tolist()
            ],
        }
    return out


def worst_errors(
    evidence: Evidence, rows: Sequence[Row], class_names: Sequence[str], *, limit: int = 20
) -> list[dict[str, Any]]:
    """Wrong answers, the surest first; for numbers, the largest residuals."""
    if kind_of(evidence) == "regression":
        size = np.abs(_residual(evidence))
        picked = np.argsort(-size, kind="stable")[:limit]
        picked = picked[size[picked] > 0]
    else:
        wrong = np.flatnonzero(~hits(evidence))
        picked = wrong[np.argsort(-confidence(evidence)[wrong], kind="stable")][:limit]
    return [example(evidence, rows, class_names, i) for i in picked.tolist()]


def confidence(evidence: Evidence) -> Array:
    """float[n]: the probability of the answer. Of a set: of its surest wrong decision, else the least sure."""
    n = len(next(iter(evidence.values())))
    if "confidence" in evidence:
        return evidence["confidence"]
    if "probabilities" not in evidence:
        return np.zeros(n)
    p = evidence["probabilities"]
    if kind_of(evidence) == "single-label":
        chosen: Array = p[np.arange(n), evidence["predicted"]]
        return chosen
    sure = np.where(evidence["predicted_labels"], p, 1 - p)
    wrong = np.where(evidence["predicted_labels"] != evidence["labels"], sure, -1).max(axis=1)
    of_sets: Array = np.where(wrong >= 0, wrong, sure.min(axis=1))
    return of_sets


def example(evidence: Evidence, rows: Sequence[Row], class_names: Sequence[str], i: int) -> dict[str, Any]:
    """A row as a person reads it: ``row`` (from 0), texts, ``true``, ``predicted``, ``confidence`` or ``residual``."""
    shown = ("text", "text_pair", "question", "context", "image", "audio")
    texts = {role: rows[i][role] for role in shown if rows[i].get(role)}
    first = next(iter(texts), "text")
    found: dict[str, Any] = {"row": int(i), "text": _clip(texts.pop(first, None))}
    return {**found, **{role: _clip(text) for role, text in texts.items()}, **answer(evidence, class_names, i)}


def answer(evidence: Evidence, class_names: Sequence[str], i: int) -> dict[str, Any]:
    """Truth and prediction of row ``i``, by name."""
    kind = kind_of(evidence)
    if kind == "regression":
        true, predicted = float(evidence["value"][i]), float(evidence["predicted_value"][i])
        return {"true": true, "predicted": predicted, "residual": predicted - true}
    sure = float(confidence({key: array[i : i + 1] for key, array in evidence.items()})[0])
    if kind == "structured":
        shown = [_clip(evidence[key][i]) for key in ("true", "predicted_as")]
        return {"true": shown[0], "predicted": shown[1], "confidence": sure}
    if kind == "multi-label":
        named = [
            [class_names[int(j)] for j in np.flatnonzero(evidence[key][i])] for key in ("labels", "predicted_labels")
        ]
        return {"true": named[0], "predicted": named[1], "confidence": sure}
    true_name, predicted_name = (class_names[int(evidence[key][i])] for key in ("label", "predicted"))
    return {"true": true_name, "predicted": predicted_name, "confidence": sure}


def _residual(evidence: Evidence) -> Array:
    residual: Array = evidence["predicted_value"] - evidence["value"]
    return residual


def _clip(text: Any) -> str:
    whole = "" if text is None else str(text)
    return whole if len(whole) <= CLIP else f"{whole[:CLIP]} …"
