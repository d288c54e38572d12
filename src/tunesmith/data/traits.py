"""What a column's values look like, from a sample spread over all rows."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.data.dialect import is_number
from tunesmith.data.words import names_id, names_time

if TYPE_CHECKING:  # a service knows shapes, and does without Arrow
    import pyarrow as pa

    from tunesmith.data.rows import Rows

SAMPLE = 5000
_TIMELIKE = re.compile(r"^\d{4}[-/.年]\d{1,2}([-/.月]\d{1,2}日?)?([ T]\d{1,2}:\d{2}.*)?$|^\d{1,2}[/.]\d{1,2}[/.]\d{4}")
_TOKEN = re.compile(r"^[\w.:/\-]+$", re.ASCII)
YES = frozenset(("true", "yes", "y", "是"))
"""What a cell says, in lower case, of a label that its row has."""
YES_NO = YES | {"false", "no", "n", "否"}
SEPARATORS = ("|", ";", "；", "、", "，", ",")


@dataclass(frozen=True)
class Traits:
    """A column in figures; shares are of the sampled values that are not empty."""

    name: str
    filled: float
    """Share of the sample that is not empty."""
    distinct: int
    sampled: int
    length: float
    """Mean characters."""
    numeric: float
    whole: float
    """Share of numbers without a fraction."""
    zero_one: bool
    yes_no: bool
    """Whether all values are yes or no, in words."""
    lists: bool
    mappings: bool
    """Whether all values are objects of JSON."""
    separator: str | None
    """What divides several labels in one cell, where it does."""
    time: bool
    identifier: bool

    @property
    def constant(self) -> bool:
        """Whether there is nothing to tell rows apart by."""
        return self.distinct <= 1

    @property
    def flag(self) -> bool:
        """Whether it says of each row whether something holds."""
        return self.zero_one or self.yes_no

    @property
    def repeats(self) -> bool:
        """Whether values come again: few distinct ones for the rows seen."""
        return 2 <= self.distinct <= max(2, min(1000, 0.5 * self.sampled))

    @property
    def measure(self) -> bool:
        """Whether it is a number of many values, to be predicted as such."""
        if self.numeric < 0.98 or self.zero_one:
            return False
        return self.distinct > 50 or (self.whole < 0.98 and self.distinct > 10)

    @property
    def prose(self) -> bool:
        """Whether it can be text to read."""
        return not (self.constant or self.time or self.identifier or self.lists or self.numeric > 0.5)


def traits(rows: Rows) -> dict[str, Traits]:
    """Every column's traits."""
    sample = rows.select(spread(len(rows), SAMPLE))
    return {name: _look(name, sample.table.column(name), len(rows)) for name in rows.columns}


def spread(total: int, most: int) -> np.ndarray:
    """At most ``most`` of ``total`` indices, evenly spread, ascending."""
    return np.unique(np.linspace(0, max(total - 1, 0), min(most, total)).astype(np.int64))


def _look(name: str, column: pa.ChunkedArray, total: int) -> Traits:
    import pyarrow as pa

    from tunesmith.data.cells import as_text

    raw = column.to_pylist()
    lists = pa.types.is_large_list(column.type)
    texts = [t for t in (as_text(v) for v in raw) if t is not None and t.strip()]
    distinct = len({t.strip() for t in texts})
    numbers = [float(t) for t in texts if is_number(t)]
    count = max(len(texts), 1)
    length = sum(map(len, texts)) / count
    numeric = len(numbers) / count
    return Traits(
        name=name,
        filled=len(texts) / max(len(raw), 1),
        distinct=distinct,
        sampled=len(texts),
        length=length,
        numeric=numeric,
        whole=sum(x == int(x) for x in numbers) / max(len(numbers), 1),
        zero_one=numeric == 1 and set(numbers) <= {0.0, 1.0},
        yes_no=bool(texts) and distinct <= len(YES_NO) and {t.strip().lower() for t in texts} <= YES_NO,
        lists=lists,
        mappings=pa.types.is_struct(column.type) or (bool(texts) and all(map(_is_object, texts))),
        separator=None if lists else separator_of(texts),
        time=_is_time(name, texts, column.type),
        identifier=_is_identifier(name, texts, distinct, numeric, length),
    )


def _is_object(text: str) -> bool:
    text = text.strip()
    if not (text.startswith("{") and text.endswith("}")):
        return False
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _is_time(name: str, texts: list[str], kind: pa.DataType) -> bool:
    import pyarrow as pa

    if pa.types.is_temporal(kind):
        return True
    like = sum(bool(_TIMELIKE.match(t.strip())) for t in texts)
    return like > 0.9 * max(len(texts), 1) or (names_time(name) and sum(map(len, texts)) < 30 * len(texts))


def _is_identifier(name: str, texts: list[str], distinct: int, numeric: float, length: float) -> bool:
    unique = distinct > 0.95 * len(texts) and len(texts) > 2
    if names_id(name) and length < 200:
        return True
    whole = numeric == 1 and all(float(t) == int(float(t)) for t in texts if is_number(t))
    codes = sum(bool(_TOKEN.match(t.strip())) and any(c.isdigit() for c in t) for t in texts)
    return unique and len(texts) >= 20 and (whole or (numeric < 0.5 and codes > 0.95 * len(texts) and length < 64))


def separator_of(texts: list[str]) -> str | None:
    """What divides labels in cells such as "a|b": found where the parts repeat more than the cells do."""
    texts = [t.strip() for t in texts]
    if len(texts) < 3 or sum(map(len, texts)) > 120 * len(texts):
        return None
    for separator in SEPARATORS:
        divided = [t for t in texts if separator in t]
        if len(divided) < max(2, 0.02 * len(texts)):
            continue
        parts = [p.strip() for t in texts for p in t.split(separator) if p.strip()]
        short = sum(map(len, parts)) < 30 * len(parts)
        if short and len(set(parts)) <= len(set(texts)) and len(set(parts)) < 0.5 * len(parts):
            return separator
    return None


def example(values: list[Any]) -> str:
    """A few values, for messages."""
    return ", ".join(repr(v) for v in values[:3])
