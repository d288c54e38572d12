"""What was answered, remembered for some days so that feedback can be put beside it; no request waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, Table, delete, select

from tunesmith.bundle.layout import finite
from tunesmith.service.drain import Drain
from tunesmith.service.safety.policy import Policy
from tunesmith.service.safety.redaction import safe
from tunesmith.service.store.connect import upsert, writing
from tunesmith.service.store.tables import answered, feedback
from tunesmith.service.ticker import Ticker

DAY = 86_400.0
NUMBERS = 16
"""A longer list of numbers (a vector) is not remembered."""
SCORES = 5
"""Of a longer table of scores the highest are."""
MARKS = ("spans", "roles", "relation", "relations")
"""Fields of answers that count the characters of what was asked."""
ONCE = 5_000
"""Rows that are purged in one transaction, so that others do not wait for it."""


@dataclass(frozen=True)
class Remembered:
    """A request, as feedback finds it."""

    key: str
    request: str
    product: str
    version: str
    predictions: list[Any]
    rows: list[Any] | None
    until: float


class Answers:
    """The tables ``answered`` and ``feedback``.

    Args:
        engine: a store whose tables are there.
        clock: seconds since 1970.
        purge_every: seconds between two looks for what is past its time.
    """

    def __init__(self, engine: Engine, *, clock: Callable[[], float] = time.time, purge_every: float = 600.0) -> None:
        self._engine, self._clock = engine, clock
        self._drain: Drain[tuple[Policy, dict[str, Any]]] = Drain(self._write, "answers")
        self._ticker = Ticker("answers", self.purge, purge_every)

    @property
    def dropped(self) -> int:
        """Answers that were not remembered, because too many came or the store was away."""
        return self._drain.dropped

    def keep(
        self,
        policy: Policy,
        key: str,
        request: str,
        product: str,
        version: str,
        rows: Sequence[Any],
        predictions: Sequence[Any],
    ) -> None:
        """Remember an answer, soon, as its product's policy says."""
        if policy.feedback:
            facts: dict[str, Any] = {"key": key, "request": request, "product": product, "version": version}
            facts |= {"rows": rows if policy.keep else None, "predictions": predictions, "at": self._clock()}
            self._drain.put((policy, facts))
            self._ticker.start()

    def find(self, key: str, request: str) -> Remembered | None:
        """A request of this key that is still remembered; what was answered a moment ago, too."""
        found = self._read(key, request)
        if found is None and self._drain.flush():
            found = self._read(key, request)
        return found

    def right(self, about: Remembered, row: int, right: Any, comment: str, policy: Policy) -> None:
        """Write down what would have been right about a row; it replaces what was said before."""
        values: dict[str, Any] = {
            "key": about.key,
            "request": about.request,
            "row": row,
            "at": self._clock(),
            "until": about.until,
        }
        values |= {"product": about.product, "version": about.version, "predicted": about.predictions[row]}
        values |= {"asked": about.rows[row] if about.rows else None}
        values |= {"right": safe(right, personal=policy.redact), "comment": safe(comment, personal=policy.redact)}
        self._put(feedback, [values])

    def said(self, product: str, since: float = 0.0) -> list[dict[str, Any]]:
        """What was said about a product's answers, the oldest first."""
        wanted = select(feedback).where(feedback.c.product == product, feedback.c.at >= since).order_by(feedback.c.at)
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(wanted).mappings()]

    def purge(self) -> int:
        """Forget what is past its time; how many rows that were."""
        return sum(self._purged(table) for table in (answered, feedback))

    def flush(self) -> None:
        """Wait until all is written."""
        self._drain.flush()

    def close(self) -> None:
        """Write what waits, and end."""
        self._ticker.close()
        self._drain.close()

    def _read(self, key: str, request: str) -> Remembered | None:
        wanted = select(answered).where(answered.c.key == key, answered.c.request == request)
        with self._engine.connect() as connection:
            row = connection.execute(wanted.where(answered.c.until > self._clock())).mappings().first()
        return None if row is None else Remembered(**{name: row[name] for name in Remembered.__dataclass_fields__})

    def _write(self, some: list[tuple[Policy, dict[str, Any]]]) -> None:
        # An id that was used twice may be in here twice. The last answer counts; a statement may name a row only once.
        self._put(answered, list({(f["key"], f["request"]): _stored(policy, f) for policy, f in some}.values()))

    def _put(self, table: Table, values: list[dict[str, Any]]) -> None:
        keys = [column.name for column in table.primary_key]
        with writing(self._engine) as connection:
            made = upsert(connection, table)
            new = {column.name: made.excluded[column.name] for column in table.columns if column.name not in keys}
            connection.execute(made.on_conflict_do_update(index_elements=keys, set_=new), values)

    def _purged(self, table: Table) -> int:
        keys = list(table.primary_key)
        total = 0
        while True:
            old = select(*keys).where(table.c.until <= self._clock()).limit(ONCE)
            with writing(self._engine) as connection:
                found = connection.execute(old).all()
                for row in found:
                    same = [column == value for column, value in zip(keys, row, strict=True)]
                    connection.execute(delete(table).where(*same))
            total += len(found)
            if len(found) < ONCE:
                return total


def forget(engine: Engine, key: str) -> int:
    """Delete what a key was answered, and what was said about it; how many rows that were.

    What it used stays, for invoices: that has counts, no texts.
    """
    with writing(engine) as connection:
        return sum(
            connection.execute(delete(table).where(table.c.key == key)).rowcount for table in (answered, feedback)
        )


def _stored(policy: Policy, facts: Mapping[str, Any]) -> dict[str, Any]:
    rows, predictions = facts["rows"], facts["predictions"]
    kept = None
    if rows is not None:
        kept = [_kept(row, answer, policy.redact) for row, answer in zip(rows, predictions, strict=True)]
    return {
        **facts,
        "predictions": [short(safe(one, personal=policy.redact)) for one in predictions],
        "rows": kept,
        "until": facts["at"] + policy.keep_days * DAY,
    }


def _kept(row: Any, answer: Any, personal: bool) -> Any:
    """A row without what must not be written down; None where that would move the characters that an answer marks."""
    plain = safe(row, personal=personal)
    marks = isinstance(answer, Mapping) and any(field in answer for field in MARKS)
    return None if marks and plain != row else plain


def short(prediction: Any) -> Any:
    """A prediction without what is long and can be computed again: vectors, and the tail of many scores.

    >>> short({"label": "a", "vector": [0.1] * 384})
    {'label': 'a'}
    """
    if not isinstance(prediction, Mapping):
        return prediction
    kept: dict[str, Any] = {}
    for name, value in prediction.items():
        if isinstance(value, Mapping) and len(value) > SCORES and all(_number(v) for v in value.values()):
            value = dict(sorted(value.items(), key=lambda pair: -pair[1])[:SCORES])
        elif isinstance(value, list) and len(value) > NUMBERS and all(_number(v) for v in value):
            continue
        kept[name] = value
    made: dict[str, Any] = finite(kept)
    return made


def _number(value: Any) -> bool:
    return isinstance(value, int | float)
