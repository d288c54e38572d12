"""From a log to the rows of a run: what each user took next, after what; and the tables beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from tunesmith.core.contracts import Row
from tunesmith.core.errors import DataError
from tunesmith.core.recipe import DataBlock
from tunesmith.data.interactions import interactions, rows_of
from tunesmith.data.language import language_of
from tunesmith.data.newest import Held, again, held_out
from tunesmith.data.past import Interactions
from tunesmith.data.prepare import Prepared
from tunesmith.data.rows import Rows
from tunesmith.data.schema import Guess
from tunesmith.data.settle import as_read
from tunesmith.data.side_tables import SideTable, item_table, user_table

PARTS = ("train", "validation", "test")
SHOWN = 3


def prepare_log(block: DataBlock, source: Rows, guessed: Guess, read: Callable[[str], Rows]) -> Prepared:
    """As ``prepare``, for a log.

    Args:
        source: the rows of ``block.path``.
        read: a path -> its rows, for files of held-out rows.

    Raises:
        DataError: nothing can be learned from the rows, or a table does not fit the log.
    """
    notes: list[str] = []
    why = list(guessed.why)
    shaped, _ = as_read(source, guessed.task, guessed.columns, notes)
    files = {"train": shaped}
    for name in ("validation", "test"):
        if path := getattr(block, name):
            files[name], _ = as_read(read(path), guessed.task, guessed.columns, notes)
    log, broken = interactions(_joined(files), notes)
    shaped.broken.extend(broken)
    held = divided(log, files, block, notes)
    tables: dict[str, SideTable] = {}
    known = list(dict.fromkeys(log.items))
    if block.items:
        tables["items"] = item_table(block.items, known)
        missing = [one for one in known if one not in set(tables["items"].ids)]
        if missing:
            some = ", ".join(missing[:SHOWN])
            notes.append(f"{len(missing)} items of the log are not in the table ({some} ...): they have no text.")
    if block.users:
        tables["users"] = user_table(block.users, log.users)
    for table in tables.values():
        why += table.why
        notes += table.notes
    parts: dict[str, list[Row]] = {name: rows_of(log, getattr(held, name), listed=name == "test") for name in PARTS}
    for name in ("train", "test"):
        if not parts[name]:
            raise DataError(f"No rows are left for {name}.", "Give more rows, or users with longer histories.")
    notes += [*source.origin.notes, *held.notes, _said(log, parts)]
    own = {name: {"rows": len(parts[name]), "sha256": _hash(shaped, log, getattr(held, name))} for name in PARTS}
    beside = {name: {"rows": len(table.ids), "sha256": table.fingerprint} for name, table in tables.items()}
    texts = [text for text in tables["items"].texts if text][:2000] if "items" in tables else []
    return Prepared(
        guessed.task, guessed.columns, parts["train"], parts["validation"], parts["test"],
        language=language_of(texts), why=why, notes=notes, fingerprints={**own, **beside}, source=shaped,
        tables=dict(tables),
    )  # fmt: skip


def divided(log: Interactions, files: Mapping[str, Rows], block: DataBlock, notes: list[str]) -> Held:
    """Which events are for what: those of files of their own, and the rest as the block says."""
    ends = np.cumsum([0, *(len(rows) for rows in files.values())])
    owner = np.searchsorted(ends, log.source, side="right") - 1
    given = {name: np.flatnonzero(owner == i) for i, name in enumerate(files)}
    own = given.pop("train")
    shares = {name: 0.0 if name in given else getattr(block.split, name) for name in ("test", "validation")}
    by = "user" if block.split.by == "label" else block.split.by
    found = held_out(log.some(own), by, shares["test"], shares["validation"])
    asked = ~again(log)
    if "test" in given and log.timed and len(own) and len(given["test"]):
        newer = int((log.times[own] > log.times[given["test"]].min()).sum())
        if newer:
            notes.append(f"{newer} training rows are newer than the oldest row of the test file.")
    parts = {
        name: given[name][asked[given[name]]] if name in given else own[getattr(found, name)]
        for name in ("validation", "test")
    }
    return Held(own[found.train], parts["validation"], parts["test"], found.notes)


def _joined(files: Mapping[str, Rows]) -> Rows:
    """One table of all files, by role."""
    train = files["train"]
    if len(files) == 1:
        return train
    roles = [role for role in ("user", "item", "time", "rating") if role in train.columns]
    cells = {role: [v for rows in files.values() for v in rows.column(role).to_pylist()] for role in roles}
    return Rows(pa.table(cells), train.origin)


def _hash(shaped: Rows, log: Interactions, places: np.ndarray) -> str:
    """Of the rows that a part was made from; of a file of its own, of the places alone."""
    rows = np.sort(log.source[places])
    if len(rows) and rows[-1] >= len(shaped):
        import hashlib

        items = "\n".join(log.items[i] for i in places.tolist())
        return hashlib.sha256(items.encode()).hexdigest()
    return shaped.select(rows).fingerprint().removeprefix("sha256:")


def _said(log: Interactions, parts: Mapping[str, list[Any]]) -> str:
    items = len(set(log.items))
    share = len(log.items) / max(1, len(log.users) * items)
    lone = sum(not len(row["history"]) for row in parts["test"])
    cold = f"; {lone} test rows are of users without a history" if lone else ""
    return f"{len(log.items):,} rows of {len(log.users):,} users and {items:,} items ({share:.2%} of all pairs){cold}."
