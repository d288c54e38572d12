"""Users with the same columns: what they take more often than others do. It is what is known of a cold user."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.data.cell_names import cell_names
from tunesmith.tasks.recommending.packed import packed, unpacked
from tunesmith.tasks.recommending.taken import Taken

if TYPE_CHECKING:
    from tunesmith.data.side_tables import SideTable

MOST = 200
"""Items that are kept of a segment."""
FEWEST = 5
"""Users that make a segment."""
PRIOR = 5.0


@dataclass(frozen=True)
class Segments:
    """``items`` int32 and ``lifts`` float32 [segments, most], and the segments of each user."""

    users: dict[str, list[int]] = field(default_factory=dict)
    items: np.ndarray = field(default_factory=lambda: np.zeros((0, 1), np.int32))
    lifts: np.ndarray = field(default_factory=lambda: np.zeros((0, 1), np.float32))

    def lift(self, user: str | None, items: int) -> np.ndarray:
        """The mean over a user's segments of the log of how much more often each item is taken there: [items].

        One 0 for all where the user is in none.
        """
        mine = self.users.get(user or "", [])
        found = np.zeros(items if mine else 1)
        for segment in mine:
            there = self.items[segment] >= 0
            found[self.items[segment][there]] += self.lifts[segment][there] / len(mine)
        return found

    def to_state(self) -> dict[str, Any]:
        """As JSON values."""
        return {"users": self.users, "items": packed(self.items), "lifts": packed(self.lifts)}

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> Segments:
        """What ``to_state`` told."""
        return cls(dict(state["users"]), unpacked(state["items"]), unpacked(state["lifts"]))


def segments(table: SideTable | None, taken: Taken, items: int) -> Segments:
    """Of a table of users: one for each name that stands with ``FEWEST`` users or more."""
    if table is None:
        return Segments()
    members: dict[str, list[str]] = defaultdict(list)
    for column, cells in table.columns.items():
        for user, cell in zip(table.ids, cells, strict=True):
            for name in cell_names(cell):
                members[f"{column}={name}"].append(user)
    kept = [users for users in members.values() if FEWEST <= len(users) < len(table.ids)]
    everyone = np.bincount(taken.items, minlength=items) + 1.0
    share = everyone / everyone.sum()
    codes, lifts = np.full((len(kept), MOST), -1, np.int32), np.zeros((len(kept), MOST), np.float32)
    of_user: dict[str, list[int]] = defaultdict(list)
    for i, users in enumerate(kept):
        counts = np.zeros(items)
        for user in users:
            of_user[user].append(i)
            counts += np.bincount(taken.items[taken.before(user, None)], minlength=items)
        lift = np.log((counts + PRIOR * share) / ((counts.sum() + PRIOR) * share))
        best = np.argsort(-np.abs(lift), kind="stable")[:MOST]
        codes[i, : len(best)], lifts[i, : len(best)] = best, lift[best]
    return Segments(dict(of_user), codes, lifts)
