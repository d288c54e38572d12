"""Rows divided into training, validation and test, so that the test measures what it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from tunesmith.core.errors import DataError
from tunesmith.data.clean import BESIDE_TEXT, read_columns, text_columns
from tunesmith.data.draw import draw, newest
from tunesmith.data.duplicates import merged
from tunesmith.data.links import grouped, linked, linked_files, linked_inputs, needed, of_groups
from tunesmith.data.rows import Rows
from tunesmith.data.settle import settled
from tunesmith.data.targets import Targets, targets
from tunesmith.data.times import times

Hold = Callable[[np.ndarray, float, int], np.ndarray]
"""(places of rows, share, number of parts held out before) -> places that are held out."""


STOOD = ("train", "validation", "test")
"""Parts, the one first that a row can never leave: what was trained on proves nothing."""


class AllTrained(DataError):
    """No row is left that was not trained on before."""


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
    known: np.ndarray | None = None,
) -> Splits:
    """Divide rows. The same rows and seed give the same parts on every machine.

    Args:
        columns: role -> column.
        by: "label" (each label's rows by the same shares), "random", "group" (whole groups), or "time" (newest last).
        test: share of the rows.
        validation: share of the rows that are left.
        group: column whose equal values stay on one side; with any ``by``, and beside given parts that have it.
        time: column to order by.
        near_duplicates: keep near duplicates (of files, equal ones) on one side, and of tasks that write, ask of a
            text, or pair texts all rows that read the same.
        given_test: test rows of their own; training rows with the same text (or nearly, with
            ``near_duplicates``) are left out, with a note.
        given_validation: validation rows of their own, likewise.
        groups: what ``near_groups`` gave for these rows, if it is known already.
        known: int8 [rows], where a row stood before: 0 in training, 1 in validation, 2 in test, -1 nowhere. It stands
            there again, and what belongs with it; of a group that stood in several, where training comes first.

    Raises:
        DataError: fewer than two labels, too few rows, a column is missing, or all rows were trained on before.
    """
    notes: list[str] = []
    found = targets(rows, columns)
    refuse_one_label(rows, columns, found)
    given_test, given_validation = (
        None if given is None else settled(given, columns, known=found.names)
        for given in (given_test, given_validation)
    )
    parts = {name: part for name, part in (("test", given_test), ("validation", given_validation)) if part is not None}
    links, pool = _own_rows(rows, columns, parts, near_duplicates, groups, notes)
    if group is not None or by == "group":
        links = grouped(rows, needed(group, by), links)
        for name, part in parts.items():
            theirs = of_groups(rows, part, needed(group, by))
            pool = pool[~_noted(theirs[pool], f'have a "{needed(group, by)}" that the {name} file has', notes)]
    whole = group is not None or "context" in columns
    hold = _by_time(rows, needed(time, by)) if by == "time" else _by_lot(rows, found, links, by, whole, seed)
    stood = _stood(pool, links, known, wanted=test > 0 and "test" not in parts, notes=notes)
    held: dict[str, np.ndarray] = {}
    for name, share in (("test", test), ("validation", validation)):
        wanted = share > 0 and name not in parts
        free = pool[stood[pool] < 0]
        held[name] = hold(free, share, len(held)) if wanted and len(free) else pool[:0]
        if wanted:
            held[name] = np.union1d(held[name], pool[stood[pool] == STOOD.index(name)])
        if wanted and not len(held[name]):
            if name == "test":
                raise _too_few(rows, share, int((stood[pool] == 0).sum()))
            notes.append(f"{len(pool)} rows are too few to hold any out for validation: the last weights are kept.")
        pool = np.setdiff1d(pool, held[name], assume_unique=True)
        pool = _without(pool, links, links[held[name]], f"belong with newer rows that are held out for {name}", notes)
    notes += _said(found, held, columns, given_test)
    return Splits(
        rows.select(pool),
        rows.select(held["validation"]) if given_validation is None else given_validation,
        rows.select(held["test"]) if given_test is None else given_test,
        notes,
    )


def refuse_one_label(rows: Rows, columns: Mapping[str, str | list[str]], found: Targets) -> None:
    """Raise ``DataError`` where the labels have nothing to tell apart."""
    if found.kind not in ("label", "labels") or found.classes >= (2 if found.kind == "label" else 1):
        return
    file = rows.origin.files[0] if rows.origin.files else "the rows"
    only = f'only one label, "{next(iter(found.counts))}"' if found.counts else "no label"
    role = next(role for role in ("label", "labels", "names") if role in columns)
    raise DataError(
        f'{file}: the column "{columns[role]}" holds {only}, in {len(rows)} rows; at least two are needed.',
        f"Add rows of another label, or name another column: data.{role}=COLUMN.",
    )


def _own_rows(
    rows: Rows,
    columns: Mapping[str, str | list[str]],
    parts: Mapping[str, Rows],
    near: bool,
    known: np.ndarray | None,
    notes: list[str],
) -> tuple[np.ndarray, np.ndarray]:
    """Which rows are one text, as a group's number a row; and the places of rows that no given part has."""
    beside = bool(set(columns) & set(BESIDE_TEXT))
    if beside:
        links, of_given = linked_files(rows, parts, columns, near=near)
    else:
        links, of_given = linked(rows, parts, text_columns(columns), near=near, known=known)
    pool = np.arange(len(rows))
    for name in parts:
        pool = _without(pool, links, of_given[name], f"are in the {name} file, too{_nearly(near)}", notes)
    links = links if near else np.arange(len(rows))
    read = read_columns(columns)
    if not read or beside or not near and not parts:
        return links, pool
    asked, of_given, common = linked_inputs(rows, parts, read)
    for name in parts:
        if "context" in columns:
            shared = int(np.isin(asked[pool], np.unique(of_given[name])).sum())
            notes += [f"{shared} of {len(pool)} training rows ask of a text of the {name} file, too."] if shared else []
        else:
            pool = _without(pool, asked, of_given[name], f"read the same as a row of the {name} file", notes)
    if common and near:
        what = "a text that much is asked of" if "context" in columns else "an instruction"
        notes.append(
            f"{common} rows read the same as more than a fifth of all rows: {what}, so they may stand on both "
            "sides of the split."
        )
    return (merged(links, asked) if near else links), pool


def _by_time(rows: Rows, column: str) -> Hold:
    """The newest rows."""
    order = times(rows, column)
    return lambda pool, share, number: newest(pool, order, share)


def _by_lot(rows: Rows, found: Targets, links: np.ndarray, by: str, large: bool, seed: int) -> Hold:
    """Drawn rows, groups whole."""
    strata = found.codes if by == "label" else np.zeros(len(rows), np.int32)
    # Groups that a user names, and the questions of a text, may be many; a large group of near duplicates is one text
    # over and over.
    largest = 1.0 if large else 0.2
    return lambda pool, share, number: draw(pool, links, strata, share, seed=seed * 2 + number, largest=largest)


def _without(pool: np.ndarray, links: np.ndarray, held: np.ndarray, what: str, notes: list[str]) -> np.ndarray:
    """The pool without rows whose group is among the held ones; what goes is noted."""
    left: np.ndarray = pool[~_noted(np.isin(links[pool], np.unique(held)), what, notes)]
    return left


def _noted(shared: np.ndarray, what: str, notes: list[str]) -> np.ndarray:
    if shared.any():
        notes.append(f"{int(shared.sum())} of {len(shared)} training rows {what}; they were left out of training.")
    return shared


def _nearly(near: bool) -> str:
    return " (or nearly)" if near else ""


def _stood(
    pool: np.ndarray, links: np.ndarray, known: np.ndarray | None, *, wanted: bool, notes: list[str]
) -> np.ndarray:
    """Where each row stood before, whole groups; -1: nowhere.

    Test rows of then may be trained on where nothing else is left for that; never the other way round.

    Args:
        wanted: whether test rows are held out here.
    """
    stood = np.full(len(links), -1, np.int8)
    if known is None or not (known[pool] >= 0).any():
        return stood
    mine = pool[known[pool] >= 0]
    least = np.full(len(links) and int(links.max()) + 1, len(STOOD), np.int8)
    np.minimum.at(least, links[mine], known[mine])
    of_group = least[links[pool]]
    stood[pool] = np.where(of_group < len(STOOD), of_group, -1)
    if wanted and (stood[pool] > 0).all():
        stood[pool] = -1
        notes.append(f"{len(mine)} of {len(pool)} rows were held out before, and now some of them are trained on.")
        return stood
    told = ", ".join(f"{int((stood[pool] == part).sum())} in {name}" for part, name in enumerate(STOOD))
    notes.append(f"Rows that were met before, or belong with such rows, stand where they stood: {told}.")
    return stood


def _too_few(rows: Rows, share: float, trained: int) -> DataError:
    if trained:
        file = rows.origin.files[0] if rows.origin.files else "the rows"
        return AllTrained(
            f"{file}: {trained} of {len(rows)} rows were trained on before, and of the others none can be held out for "
            "test.",
            "Give newer rows too, or a file of rows that it never learned from: data.test=FILE",
        )
    return DataError(
        f"{len(rows)} rows are too few to hold {share:.0%} of them out for test.",
        "Add rows, give a file of test rows (data.test=FILE), or hold out more: data.split.test=0.3",
    )


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
                notes.append(f"Labels without a test row: {some}{' ...' if len(absent) > 5 else ''}.")
        if given_test is not None:
            unseen = sorted(set(targets(given_test, columns).counts) - set(found.counts))
            if unseen:
                some = ", ".join(f'"{n}"' for n in unseen[:5])
                notes.append(f"Labels of the test file that no training row has: {some}.")
    return notes
