"""Rows as features: what was taken, how long ago, and what may be answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tunesmith.core.contracts import Feature, Row
from tunesmith.core.errors import DataError
from tunesmith.data.past import Interactions, Past
from tunesmith.data.shapes.recommendation import RecommendationShape
from tunesmith.data.shapes.shape import RowProblem
from tunesmith.tasks.recommending.memory import Memory
from tunesmith.tasks.recommending.signals import Asked

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Codes, times and ratings of events; a code is -1 where no item has the id."""


class Reader:
    """Reads rows by what is known.

    Args:
        memory: of items and users.
        day: seconds of a day.
    """

    def __init__(self, memory: Memory, day: float) -> None:
        self.memory, self.day = memory, day
        self._logs: dict[int, tuple[Interactions, np.ndarray]] = {}
        self._shape = RecommendationShape()

    def features(self, rows: Sequence[Row], window: int, *, targets: bool, exclude: bool) -> list[Feature]:
        """One a row; ``target`` is the code of the item, -1 where it is not known."""
        return [self._feature(i, row, window, targets, exclude) for i, row in enumerate(rows)]

    def _feature(self, number: int, row: Row, window: int, targets: bool, exclude: bool) -> Feature:
        given = row if isinstance(row.get("history"), Past) else self._plain(row, number)
        time = given.get("time")
        codes, times, ratings, unknown = self._history(given, time)
        latest = slice(max(0, len(codes) - window), None)
        mean, spread = self.memory.ratings
        now = self.memory.taken.end if time is None else time
        ages = np.nan_to_num(np.maximum(0.0, (now - times[latest]) / self.day)).astype(np.float32)
        some = len(codes[latest]) > 0
        among, strangers = self._among(given)
        feature: Feature = {
            "row": number,
            "input_ids": (codes[latest] + 1).astype(np.int32) if some else np.zeros(1, np.int32),
            "ages": ages if some else np.zeros(1, np.float32),
            "ratings": np.nan_to_num((ratings[latest] - mean) / spread).astype(np.float32)
            if some
            else np.zeros(1, np.float32),
            "seen": codes if exclude else codes[:0],
            "among": among,
            "time": float("nan") if time is None else float(time),
            "unknown": [*unknown, *strangers],
            "question": Asked(codes[latest], time, given.get("user")),
        }
        if targets:
            feature["target"] = self.memory.catalogue.code.get(row["item"], -1)
        return feature

    def _plain(self, row: Row, number: int) -> Row:
        """The row as its shape reads it, so that ids of any type are known."""
        asked = {role: value for role, value in row.items() if role not in ("item", "rating") and value is not None}
        try:
            (found,) = self._shape.read(asked, target=False)
        except RowProblem as problem:
            raise DataError(f"Row {number + 1}: {problem}.", "Name a user, or give a history.") from None
        return found

    def _history(self, row: Row, time: float | None) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
        """What was taken before: as the row says, else as is known of the user; and ids that are not known."""
        history = row.get("history")
        if history is None:
            known = self.memory.taken
            part = known.before(str(row.get("user", "")), time)
            return known.items[part].astype(np.int64), known.times[part], known.ratings[part], []
        if isinstance(history, Past):
            codes = self._codes(history.log)[history.start : history.stop]
            part = slice(history.start, history.stop)
            times = history.log.times[part] if history.log.timed else np.full(len(codes), np.nan)
            ratings, ids = history.log.ratings[part], []
        else:
            found = [self.memory.catalogue.code.get(event["item"], -1) for event in history]
            codes = np.array(found, np.int64)
            times, ratings = (np.array([e.get(k, np.nan) for e in history], np.float64) for k in ("time", "rating"))
            ids = [e["item"] for e, code in zip(history, found, strict=True) if code < 0]
        there = codes >= 0
        if there.all():
            return codes, times, ratings, ids
        return codes[there], times[there], ratings[there], list(dict.fromkeys(ids))

    def _codes(self, log: Interactions) -> np.ndarray:
        """[events] of a log, looked up once."""
        if id(log) not in self._logs:
            code = self.memory.catalogue.code
            self._logs[id(log)] = (log, np.array([code.get(item, -1) for item in log.items], np.int64))
        return self._logs[id(log)][1]

    def _among(self, row: Any) -> tuple[np.ndarray | None, list[str]]:
        if row.get("candidates") is None:
            return None, []
        codes, unknown = self.memory.catalogue.codes(row["candidates"])
        return np.array(codes, np.int64), unknown
