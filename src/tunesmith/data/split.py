"""Rows divided into training, validation and test, so that the test measures what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from tunesmith.core.errors import DataError
from tunesmith.data.clean import text_columns
from tunesmith.data.codes import GOLDEN, folded_hashes, hashes, joined, mix
from tunesmith.data.duplicates import exact_groups, joined_texts, merged, near_groups
from tunesmith.data.roles import label_array
from tunesmith.data.rows import Rows
from tunesmith.data.settle import settled
from tunesmith.data.targets import Targets, targets
from tunesmith.data.times import times


@dataclass
class Splits:
    """Three disjoint parts, and in words what was decided."""

    train: Rows
    validation: Rows
    test: Rows
    notes: list[str] = field(default_factory=list)


def split(
    rows: Rows,
    columns: Mapping[str, str | list[str]],
    *,
    by: str = "label",
    test: float = 0.15,
    validation: float = 0.1,
    group: str | None = None,
    time: str | None = None,
    seed: int = 13,
    near_duplicates: bool = True,
    given_test: Rows | None = None,
    given_validation: Rows | None = None,
    groups: np.ndarray | None = None,
) -> Splits:
    """Divide rows. The same rows and seed give the same parts on every machine.

    Args:
        columns: role -> column.
        by: "label" (each label's rows by the same shares), "random", "group" (whole groups), or "time" (newest last).
        test: share of the rows.
        validation: share of the rows that are left.
        group: column whose equal values stay on one side; with any ``by``.
        time: column to order by.
        near_duplicates: keep near duplicates on one side.
        given_test: test rows of their own; training rows with the same text are removed.
        given_validation: validation rows of their own, likewise.
        groups: what ``near_groups`` gave for these rows, if it is known already.

    Raises:
        DataError: fewer than two labels, too few rows, or a column is missing.
    """
    notes: list[str] = []
    found = targets(rows, columns)
    refuse_one_label(rows, columns, found)
    given_test, given_validation = (
        None if given is None else settled(given, columns, known=found.names)
        for given in (given_test, given_validation)
    )
    units = _units(rows, columns, group, by, near_duplicates, groups)
    pool = np.arange(len(rows))
    for name, given in (("test", given_test), ("validation", given_validation)):
        if given is not None:
            pool = _without_overlap(pool, rows, given, columns, name, notes)
    # Groups that a user names may be large; a large group of near duplicates is one text over and over.
    take = _Taker(found, units, by, _order(rows, time, by), seed, largest=0.2 if group is None else 1.0)
    held: dict[str, np.ndarray] = {}
    for name, given, share in (("test", given_test, test), ("validation", given_validation, validation)):
        held[name] = pool[:0] if given is not None or share == 0 else take(pool, share, len(held))
        pool = np.setdiff1d(pool, held[name], assume_unique=True)
        pool = _one_sided(pool, held[name], units, name, notes)
        if given is None and share > 0 and not len(held[name]):
            raise DataError(
                f"{len(rows)} rows are too few to hold {share:.0%} of them out for {name}.",
                f"Add rows, give a file (data.{name}=FILE), or set data.split.{name}=0.",
            )
    notes += _said(found, held, columns, given_test)
    return Splits(
        rows.select(pool),
        rows.select(held["validation"]) if given_validation is None else given_validation,
        rows.select(held["test"]) if given_test is None else given_test,
        notes,
    )


class _Taker:
    """Takes a share of a pool of rows, whole units at a time."""

    def __init__(
        self, found: Targets, units: np.ndarray, by: str, order: np.ndarray | None, seed: int, largest: float
    ) -> None:
        self.strata = found.codes if by == "label" else np.zeros(len(units), np.int32)
        self.units = units
        self.order = order
        self.seed = seed
        self.largest = largest

    def __call__(self, pool: np.ndarray, share: float, salt: int) -> np.ndarray:
        if self.order is not None:
            newest = pool[np.argsort(self.order[pool], kind="stable")]
            return np.sort(newest[len(newest) - round(share * len(pool)) :])
        heads, first, sizes = np.unique(self.units[pool], return_index=True, return_counts=True)
        keys = mix((heads.astype(np.uint64) + np.uint64(1)) * GOLDEN + np.uint64(self.seed * 1000003 + salt))
        chosen = np.zeros(len(heads), bool)
        strata = self.strata[pool[first]]
        order = np.lexsort((heads, keys, strata))
        for part in np.split(order, np.flatnonzero(np.diff(strata[order])) + 1):
            chosen[_fill(part, sizes, share, self.largest)] = True
        return pool[np.isin(self.units[pool], heads[chosen])]


def _fill(part: np.ndarray, sizes: np.ndarray, share: float, largest: float) -> np.ndarray:
    """Units of one stratum, in drawn order and each if it still fits, up to a share of the stratum's rows.

    A unit larger than ``largest`` of what is wanted stays in training, so that no held-out part is one text over
    and over. From three units on, at least one is held out.
    """
    total = int(sizes[part].sum())
    wanted = round(share * total) or int(len(part) >= 3)
    most = max(1.0, largest * wanted)
    chosen, filled = [], 0
    for unit, size in zip(part.tolist(), sizes[part].tolist(), strict=True):
        if size <= most and filled + size <= wanted:
            chosen.append(unit)
            filled += size
    if not chosen and len(part) >= 3:
        chosen = [int(part[np.argmin(sizes[part])])]
    return np.array(chosen, np.int64)


def _units(
    rows: Rows, columns: Mapping[str, str | list[str]], group: str | None, by: str, near: bool, known: np.ndarray | None
) -> np.ndarray:
    if by == "group" and group is None:
        raise DataError("data.split.by is group, but no group column is given.", "Set data.split.group=COLUMN.")
    units = np.arange(len(rows))
    names = text_columns(columns)
    if near and names:
        units = known if known is not None else near_groups(joined_texts(rows, names))
    if group is not None:
        codes, _ = label_array(rows, group)
        alone = np.where(codes < 0, -np.arange(1, len(rows) + 1), codes)
        units = merged(units, exact_groups(alone))
    return units


def _order(rows: Rows, time: str | None, by: str) -> np.ndarray | None:
    if by != "time":
        return None
    if time is None:
        raise DataError("data.split.by is time, but no time column is given.", "Set data.split.time=COLUMN.")
    return times(rows, time)


def refuse_one_label(rows: Rows, columns: Mapping[str, str | list[str]], found: Targets) -> None:
    """Raise ``DataError`` where the labels have nothing to tell apart."""
    if found.kind not in ("label", "labels") or found.classes >= (2 if found.kind == "label" else 1):
        return
    file = rows.origin.files[0] if rows.origin.files else "the rows"
    only = f'only one label, "{next(iter(found.counts))}"' if found.counts else "no label"
    role = "label" if found.kind == "label" else "labels"
    raise DataError(
        f'{file}: the column "{columns[role]}" holds {only}, in {len(rows)} rows; at least two are needed.',
        f"Add rows of another label, or name another column: data.{role}=COLUMN.",
    )


def _keys(rows: Rows, columns: Mapping[str, str | list[str]], fold: bool = True) -> np.ndarray:
    total = np.zeros(len(rows), np.uint64)
    for name in text_columns(columns):
        column = rows.column(name)
        total = joined(total, folded_hashes(column) if fold else hashes(column))
    return total


def _without_overlap(
    pool: np.ndarray, rows: Rows, given: Rows, columns: Mapping[str, str | list[str]], name: str, notes: list[str]
) -> np.ndarray:
    """Training rows whose text (case, width, spaces and punctuation aside) is in the given rows go."""
    if not text_columns(columns):
        return pool
    shared = np.isin(_keys(rows, columns)[pool], np.unique(_keys(given, columns)))
    if shared.any():
        notes.append(
            f"{int(shared.sum())} of {len(pool)} training rows have a text that is in the {name} file, too; "
            "they were removed from training."
        )
    return pool[~shared]


def _one_sided(pool: np.ndarray, held: np.ndarray, units: np.ndarray, name: str, notes: list[str]) -> np.ndarray:
    """By time the newest row decides: its older near duplicates leave training."""
    shared = np.isin(units[pool], np.unique(units[held]))
    if shared.any():
        count = int(shared.sum())
        notes.append(f"{count} rows that belong with {name} rows (duplicates, groups) were removed from training.")
    return pool[~shared]


def _said(
    found: Targets,
    held: Mapping[str, np.ndarray],
    columns: Mapping[str, str | list[str]],
    given_test: Rows | None,
) -> list[str]:
    notes = []
    if found.kind in ("label", "labels"):
        codes = np.arange(len(found.names))
        if len(held["test"]):
            absent = np.setdiff1d(codes, found.codes[held["test"]])
            if len(absent):
                some = ", ".join(f'"{found.names[i]}" ({found.counts.get(found.names[i], 0)} rows)' for i in absent[:5])
                notes.append(f"Too few rows to be tested, all in training: {some}{' ...' if len(absent) > 5 else ''}.")
        if given_test is not None:
            unseen = sorted(set(targets(given_test, columns).counts) - set(found.counts))
            if unseen:
                some = ", ".join(f'"{n}"' for n in unseen[:5])
                notes.append(f"Labels of the test file that no training row has: {some}.")
    return notes
