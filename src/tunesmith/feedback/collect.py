"""What was said about answers, and answers that were unsure, as rows of a data file.

Texts are as the service remembered them: without personal data, unless its policy says otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select

from tunesmith.service.store.tables import answered, feedback

MOST = 100_000
"""Rows that are read of the store at most."""


@dataclass
class Collected:
    """Rows, and why others are none.

    Args:
        rows: of a data file.
        without_text: the policy keeps no texts (``keep: true`` does).
        conflicts: the same text with different right answers; the last one counts.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    without_text: int = 0
    conflicts: int = 0


def collected(store: Engine, product: str, *, since: float = 0.0, version: str | None = None) -> Collected:
    """Rows with what would have been right, the oldest first; a text once.

    Args:
        since: seconds since 1970.
        version: only what was said about this one.
    """
    wanted = select(feedback).where(feedback.c.product == product, feedback.c.at >= since)
    if version is not None:
        wanted = wanted.where(feedback.c.version == version)
    found = Collected()
    by_text: dict[str, dict[str, Any]] = {}
    with store.connect() as connection:
        for said in connection.execute(wanted.order_by(feedback.c.at).limit(MOST)).mappings():
            if not said["asked"]:
                found.without_text += 1
                continue
            row = {**said["asked"], **target_of(said["right"])}
            key = json.dumps(said["asked"], sort_keys=True, ensure_ascii=False)
            found.conflicts += key in by_text and by_text[key] != row
            by_text[key] = row
    found.rows = list(by_text.values())
    return found


def target_of(right: Any) -> dict[str, Any]:
    """A right answer under the role that rows of a data file have it in.

    >>> target_of("refund"), target_of(["a", "b"]), target_of(0.5), target_of({"label": "x"})
    ({'label': 'refund'}, {'labels': ['a', 'b']}, {'score': 0.5}, {'label': 'x'})
    """
    if isinstance(right, Mapping):
        return dict(right)
    if isinstance(right, bool | str):
        return {"label": str(right)}
    return {"score": right} if isinstance(right, int | float) else {"labels": right}


def unsure(
    store: Engine, product: str, *, below: float, since: float = 0.0, most: int = 1000
) -> tuple[list[dict[str, Any]], int]:
    """Rows that a person should label, the least sure first: those that abstain, or whose score is below a bound.

    Nothing was said about them yet.

    Returns:
        The rows with ``predicted``, ``confidence`` and ``why``; and how many answers had no text kept.
    """
    wanted = select(answered).where(answered.c.product == product, answered.c.at >= since).limit(MOST)
    known = select(feedback.c.key, feedback.c.request, feedback.c.row).where(feedback.c.product == product)
    with store.connect() as connection:
        said = {tuple(row) for row in connection.execute(known)}
        answers = connection.execute(wanted).mappings().all()
    found: dict[str, dict[str, Any]] = {}
    without = 0
    for one in answers:
        for i, answer in enumerate(one["predictions"]):
            why = _why(answer, below)
            if not why or (one["key"], one["request"], i) in said:
                continue
            if not one["rows"]:
                without += 1
                continue
            row = {**one["rows"][i], "predicted": answer.get("label"), "confidence": answer.get("score"), "why": why}
            found.setdefault(json.dumps(one["rows"][i], sort_keys=True, ensure_ascii=False), row)
    chosen = sorted(found.values(), key=lambda row: row["confidence"] if row["confidence"] is not None else 0.0)
    return chosen[:most], without


def _why(answer: Any, below: float) -> str:
    if not isinstance(answer, Mapping):
        return ""
    if answer.get("abstain"):
        return str(answer.get("human") or "unsure")
    score = answer.get("score")
    return "unsure" if isinstance(score, int | float) and score < below else ""


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """A JSON lines file, whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    part.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    part.replace(path)


@dataclass(frozen=True)
class Agreement:
    """How often what was answered was right, of the rows that somebody said something about."""

    rows: int = 0
    right: int = 0

    @property
    def share(self) -> float:
        """Of 0 to 1; 0 where there are no rows."""
        return self.right / self.rows if self.rows else 0.0


def agreement(store: Engine, product: str, *, since: float = 0.0) -> dict[str, Agreement]:
    """By version."""
    columns = (feedback.c.version, feedback.c.predicted, feedback.c.right)
    wanted = select(*columns).where(feedback.c.product == product, feedback.c.at >= since)
    found: dict[str, Agreement] = {}
    with store.connect() as connection:
        for version, predicted, right in connection.execute(wanted):
            was = found.get(version, Agreement())
            found[version] = Agreement(was.rows + 1, was.right + agrees(predicted, right))
    return found


def agrees(predicted: Any, right: Any) -> bool:
    """Whether an answer says what would have been right.

    >>> agrees({"label": "a", "score": 0.9}, "a"), agrees({"labels": ["b", "a"]}, ["a", "b"])
    (True, True)
    >>> agrees({"label": "a"}, "b")
    False
    """
    wanted = target_of(right)
    told = predicted if isinstance(predicted, Mapping) else target_of(predicted)
    return all(_same(told.get(role), value) for role, value in wanted.items())


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, list) and isinstance(other, list) and all(isinstance(v, str) for v in [*one, *other]):
        return sorted(one) == sorted(other)
    return bool(one == other)


def total(parts: Sequence[Agreement]) -> Agreement:
    """Of all versions."""
    return Agreement(sum(p.rows for p in parts), sum(p.right for p in parts))
