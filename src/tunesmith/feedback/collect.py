"""What was said about answers, and answers that were unsure, as rows of a data file.

Texts are as the service remembered them: without personal data, unless its policy says otherwise.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Select, func, select

from tunesmith.feedback.right import agrees, row_of
from tunesmith.service.store.tables import answered, feedback

MOST = 100_000
"""Rows that are read of the store at most: the newest."""


@dataclass
class Collected:
    """Rows, and why others are none.

    Args:
        rows: of a data file.
        without_text: the policy keeps no texts (``keep: true`` does), or what was redacted moved what the answer marks.
        conflicts: the same text with different right answers; the last one counts.
        unread: older rows, beyond ``MOST``, that were not looked at.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    without_text: int = 0
    conflicts: int = 0
    unread: int = 0


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
        newest = connection.execute(wanted.order_by(feedback.c.at.desc()).limit(MOST)).mappings().all()
        found.unread = _beyond(connection, wanted, len(newest))
        for said in reversed(newest):
            if not said["asked"]:
                found.without_text += 1
                continue
            row = {**said["asked"], **row_of(said["right"], said["asked"], said["predicted"])}
            key = json.dumps(said["asked"], sort_keys=True, ensure_ascii=False)
            found.conflicts += key in by_text and by_text[key] != row
            by_text[key] = row
    found.rows = list(by_text.values())
    return found


def unsure(
    store: Engine, product: str, *, below: float, since: float = 0.0, most: int = 1000
) -> tuple[list[dict[str, Any]], int, int]:
    """Rows that a person should label, the least sure first: those that abstain, or whose score is below a bound.

    Nothing was said about them yet.

    Returns:
        The rows with ``predicted``, ``confidence`` and ``why``; how many answers had no text kept; and how many older
        ones, beyond ``MOST``, were not looked at.
    """
    wanted = select(answered).where(answered.c.product == product, answered.c.at >= since)
    known = select(feedback.c.key, feedback.c.request, feedback.c.row).where(feedback.c.product == product)
    with store.connect() as connection:
        said = {tuple(row) for row in connection.execute(known)}
        answers = connection.execute(wanted.order_by(answered.c.at.desc()).limit(MOST)).mappings().all()
        unread = _beyond(connection, wanted, len(answers))
    found: dict[str, dict[str, Any]] = {}
    without = 0
    for one in answers:
        for i, answer in enumerate(one["predictions"]):
            why = _why(answer, below)
            if not why or (one["key"], one["request"], i) in said:
                continue
            if not one["rows"] or not one["rows"][i]:
                without += 1
                continue
            row = {**one["rows"][i], "predicted": answer.get("label"), "confidence": answer.get("score"), "why": why}
            found.setdefault(json.dumps(one["rows"][i], sort_keys=True, ensure_ascii=False), row)
    chosen = sorted(found.values(), key=lambda row: row["confidence"] if row["confidence"] is not None else 0.0)
    return chosen[:most], without, unread


def _beyond(connection: Connection, wanted: Select[Any], read: int) -> int:
    if read < MOST:
        return 0
    return int(connection.execute(select(func.count()).select_from(wanted.subquery())).scalar() or 0) - read


def _why(answer: Any, below: float) -> str:
    if not isinstance(answer, Mapping):
        return ""
    if answer.get("abstain"):
        return str(answer.get("human") or "unsure")
    score = answer.get("score")
    return "unsure" if isinstance(score, int | float) and score < below else ""


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path | None:
    """A JSON lines file, whole or not at all.

    Returns:
        Where the file that stood there is kept, if it has rows that the new one lacks: rows that a bundle was learned
        from and the store has purged since, or that somebody has labelled.
    """
    part = path.with_name(f".{path.name}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(row, ensure_ascii=False).encode() for row in rows]
    part.write_bytes(b"".join(line + b"\n" for line in lines))
    aside = None
    if path.is_file() and not set(path.read_bytes().splitlines()) <= set(lines):
        aside = path.with_name(
            f"{path.stem}-{datetime.fromtimestamp(path.stat().st_mtime):%Y%m%dT%H%M%S%f}{path.suffix}"
        )
        shutil.copy2(path, aside)
    part.replace(path)
    return aside


@dataclass(frozen=True)
class Agreement:
    """How often what was answered was right, of the rows that somebody said something about.

    Args:
        rows: that can be right or wrong.
        right: of these.
        unjudged: rows beside them: of a number, a written text or a vector there is no one right answer.
    """

    rows: int = 0
    right: int = 0
    unjudged: int = 0

    @property
    def share(self) -> float:
        """Of 0 to 1; 0 where there are no rows."""
        return self.right / self.rows if self.rows else 0.0

    def __add__(self, other: Agreement) -> Agreement:
        return Agreement(self.rows + other.rows, self.right + other.right, self.unjudged + other.unjudged)


def agreement(store: Engine, product: str, *, since: float = 0.0) -> dict[str, Agreement]:
    """By version."""
    columns = (feedback.c.version, feedback.c.predicted, feedback.c.right)
    wanted = select(*columns).where(feedback.c.product == product, feedback.c.at >= since)
    found: dict[str, Agreement] = {}
    with store.connect() as connection:
        for version, predicted, right in connection.execute(wanted):
            same = agrees(predicted, right)
            one = Agreement(unjudged=1) if same is None else Agreement(1, int(same))
            found[version] = found.get(version, Agreement()) + one
    return found


def first_answer(store: Engine, product: str, version: str) -> float:
    """When a version was asked first, of what is still remembered: seconds since 1970; infinity: never."""
    wanted = select(func.min(answered.c.at)).where(answered.c.product == product, answered.c.version == version)
    with store.connect() as connection:
        at = connection.execute(wanted).scalar()
    return math.inf if at is None else float(at)


def said_since(store: Engine, product: str, at: float) -> int:
    """Rows that something was said about from a moment on."""
    wanted = select(func.count()).where(feedback.c.product == product, feedback.c.at >= at)
    with store.connect() as connection:
        return int(connection.execute(wanted).scalar() or 0)
