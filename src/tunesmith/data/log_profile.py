"""What is in a log of users and items, measured, and what of it should worry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from tunesmith.data.interactions import interactions
from tunesmith.data.newest import again
from tunesmith.data.rows import Rows
from tunesmith.data.side_tables import SideTable

ENOUGH = 3
"""Rows of a user of which one can be held out for the test and one for validation."""
FEW = 100
"""Users of whom fewer make intervals wide."""


@dataclass
class LogProfile:
    """A log in figures."""

    rows: int
    columns: Mapping[str, Any]
    task: str
    users: int
    items: int
    share: float
    """Of all pairs of a user and an item, those that are in the log."""
    rows_of_user: dict[str, float]
    """``median``, ``p95``, ``most``."""
    rows_of_item: dict[str, float]
    short: int
    """Users with too few rows to hold any out."""
    once: int
    """Items that stand in one row only."""
    repeated: int
    """Rows of an item that the user had taken before."""
    first: str | None
    last: str | None
    future: int
    broken: int
    tables: dict[str, dict[str, int]]
    """Of each its ``rows``, ids of the log that it lacks (``missing``), and its own that nobody took (``cold``)."""
    warnings: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Its fields, as JSON values."""
        return asdict(self)

    def to_text(self) -> str:
        """A page to read."""
        lines = [
            f"{self.rows:,} rows of {self.users:,} users and {self.items:,} items ({self.share:.2%} of all pairs)",
            f"rows of a user: {_three(self.rows_of_user)}; of an item: {_three(self.rows_of_item)}",
            f"times: {self.first} to {self.last}" if self.first else "times: none; rows stand in their order",
            f"repeated {self.repeated:,}, in the future {self.future:,}, broken {self.broken:,}",
            *(
                f"{name}: {told['rows']:,} rows, {told['missing']:,} of the log missing, {told['cold']:,} not in it"
                for name, told in self.tables.items()
            ),
            *(f"warning: {warning}" for warning in self.warnings),
        ]
        return "\n".join(lines)


def log_profile(
    rows: Rows, columns: Mapping[str, Any], tables: Mapping[str, SideTable], notes: list[str]
) -> LogProfile:
    """Measure a log whose columns are called as their roles.

    Args:
        notes: takes what was found while its times were read.
    """
    log, late = interactions(rows, notes)
    users = np.bincount(log.user, minlength=len(log.users))
    items = Counter(log.items)
    ids = {"items": set(items), "users": set(log.users)}
    moments = [str(np.datetime64(int(t), "s")) for t in (log.times.min(), log.times.max())] if log.timed else None
    made = LogProfile(
        rows=len(log.items), columns=dict(columns), task="recommendation", users=len(log.users), items=len(items),
        share=round(len(log.items) / max(1, len(log.users) * len(items)), 6),
        rows_of_user=_quantiles(users), rows_of_item=_quantiles(np.array(list(items.values()))),
        short=int((users < ENOUGH).sum()), once=sum(count == 1 for count in items.values()),
        repeated=int(again(log).sum()), first=moments[0] if moments else None, last=moments[1] if moments else None,
        future=len(late), broken=len(rows.broken),
        tables={
            name: {
                "rows": len(table.ids),
                "missing": len(ids[name] - set(table.ids)),
                "cold": len(set(table.ids) - ids[name]),
            }
            for name, table in tables.items()
        },
    )  # fmt: skip
    made.warnings = list(_warned(made))
    return made


def _warned(made: LogProfile) -> list[str]:
    said = {
        "there are no times: name their column by data.time=COLUMN, or the file's order counts.": made.first is None,
        f"{made.short:,} of {made.users:,} users have fewer than {ENOUGH} rows: none of theirs can be held out.": (
            made.short > 0.5 * made.users
        ),
        f"{made.future:,} rows lie in the future; they are left out.": made.future,
        f"{made.users} users are few: the figures of the report will have wide intervals.": made.users < FEW,
        f"{made.repeated:,} rows are of an item that the user had taken before; such rows are not asked for.": (
            made.repeated > 0.1 * made.rows
        ),
        "there is no table of items: name it by data.items=FILE, so that new items can be recommended.": (
            "items" not in made.tables
        ),
    }
    return [words for words, so in said.items() if so]


def _quantiles(counts: np.ndarray) -> dict[str, float]:
    median, p95 = np.quantile(counts, (0.5, 0.95))
    return {"median": float(median), "p95": float(p95), "most": float(counts.max())}


def _three(told: Mapping[str, float]) -> str:
    return f"half have up to {told['median']:g}, 95% up to {told['p95']:g}, the most is {told['most']:g}"
