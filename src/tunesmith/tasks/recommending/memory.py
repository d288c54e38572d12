"""All that a recommender knows beside its weights: the catalogue, the log, and what is counted of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from tunesmith.core.contracts import Row
from tunesmith.core.errors import DataError
from tunesmith.data.past import Past
from tunesmith.tasks.recommending.catalogue import Catalogue
from tunesmith.tasks.recommending.neighbours import Neighbours, after, together
from tunesmith.tasks.recommending.packed import packed, unpacked
from tunesmith.tasks.recommending.popularity import Popularity
from tunesmith.tasks.recommending.segments import Segments, segments
from tunesmith.tasks.recommending.signals import Known
from tunesmith.tasks.recommending.taken import Taken

Event = tuple[str, int, float, float]
"""User, item's code, time, rating."""


@dataclass
class Memory:
    """What is kept of a log and its tables.

    Args:
        taken: who took what.
        taught: int32 [items], events of the training rows: which items the model has learned, and how often.
    """

    catalogue: Catalogue
    taken: Taken
    together: Neighbours
    after: Neighbours
    segments: Segments
    taught: np.ndarray
    popularity: Popularity = field(init=False)

    def __post_init__(self) -> None:
        """What is counted anew."""
        self.popularity = Popularity(self.taken, len(self.catalogue))

    @cached_property
    def known(self) -> Known:
        """As signals are read from it."""
        return Known(self.catalogue, self.popularity, self.together, self.after, self.segments)

    @cached_property
    def share(self) -> np.ndarray:
        """[items], of all events that are learned from."""
        found: np.ndarray = self.taught / max(1, self.taught.sum())
        return found

    @cached_property
    def ratings(self) -> tuple[float, float]:
        """Mean and spread."""
        there = self.taken.ratings[~np.isnan(self.taken.ratings)]
        return (float(there.mean()), max(float(there.std()), 1e-3)) if len(there) else (0.0, 1.0)

    def more(self, rows: Sequence[Row]) -> Memory:
        """With the events of further rows counted; the model has learned none of these."""
        taken = self.taken.more(_events(rows, self.catalogue))
        return self._counted(self.catalogue, taken)

    def new(self, rows: Sequence[Row]) -> list[Row]:
        """The rows that are no event known already; rows of items that are not known among them."""
        code = self.catalogue.code
        return [
            row for row in rows if row["item"] not in code or not self.taken.holds(_events([row], self.catalogue)[0])
        ]

    def grown(self, catalogue: Catalogue, rows: Sequence[Row] = ()) -> Memory:
        """With items after its own, and with further events."""
        events = _events(rows, catalogue)
        if events:
            return self._counted(catalogue, self.taken.more(events))
        items = len(catalogue)
        taught = np.pad(self.taught, (0, items - len(self.taught)))
        near = (self.together.grown(items), self.after.grown(items))
        return Memory(catalogue, self.taken, *near, self.segments, taught)

    def _counted(self, catalogue: Catalogue, taken: Taken) -> Memory:
        items = len(catalogue)
        taught = np.pad(self.taught, (0, items - len(self.taught)))
        return Memory(catalogue, taken, together(taken, items), after(taken, items), self.segments, taught)

    def to_state(self) -> dict[str, Any]:
        """As JSON values."""
        parts = ("catalogue", "taken", "together", "after", "segments")
        return {**{name: getattr(self, name).to_state() for name in parts}, "taught": packed(self.taught)}

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> Memory:
        """What ``to_state`` told."""
        return cls(
            Catalogue.of_state(state["catalogue"]), Taken.of_state(state["taken"]),
            Neighbours.of_state(state["together"]), Neighbours.of_state(state["after"]),
            Segments.of_state(state["segments"]), unpacked(state["taught"]),
        )  # fmt: skip


def learned(rows: Sequence[Row], tables: Mapping[str, Any]) -> Memory:
    """From training rows, and from tables of items and users where there are any.

    Args:
        rows: each an event: ``user``, ``item``, and ``time`` and ``rating`` where they are known.

    Raises:
        DataError: there are too few users or items to tell apart.
    """
    users = {row.get("user") for row in rows}
    ids = list(dict.fromkeys([row["item"] for row in rows] + _of_histories(rows)))
    if len(set(ids)) < 2:
        raise DataError(
            f"The rows hold {len(set(ids))} item(s); to recommend is to choose among several.",
            "Check which column was taken: data.item=COLUMN.",
        )
    if len(users) < 2:
        raise DataError(
            "The rows are of one user only: there is nobody to learn from what is taken together.",
            "Give the rows of several users, or check which column was taken: data.user=COLUMN.",
        )
    catalogue = _catalogue(ids, tables.get("items"))
    taken = Taken.of(_events(rows, catalogue))
    items = len(catalogue)
    taught = np.bincount(taken.items, minlength=items).astype(np.int32)
    groups = segments(tables.get("users"), taken, items)
    return Memory(catalogue, taken, together(taken, items), after(taken, items), groups, taught)


def _catalogue(ids: Sequence[str], table: Any) -> Catalogue:
    """The table's items in their order, then those that only the log has."""
    if table is None:
        return Catalogue(list(ids), [""] * len(ids))
    return Catalogue(table.ids, table.texts, table.columns).grown(*_strangers(ids, table.ids))


def _strangers(ids: Sequence[str], known: Sequence[str]) -> tuple[list[str], list[str], dict[str, Any]]:
    there = set(known)
    new = [one for one in ids if one not in there]
    return new, [""] * len(new), {}


def _of_histories(rows: Sequence[Row]) -> list[str]:
    """Items that stand in a history that was given with its row; views of the log hold no others than the log."""
    given = (row["history"] for row in rows if row.get("history") and not isinstance(row["history"], Past))
    return [event["item"] for history in given for event in history]


def _events(rows: Sequence[Row], catalogue: Catalogue) -> list[Event]:
    nan = float("nan")
    return [
        (str(row.get("user") or ""), catalogue.code[row["item"]], row.get("time", nan), row.get("rating", nan))
        for row in rows
        if row["item"] in catalogue.code
    ]
