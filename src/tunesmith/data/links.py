"""Rows that belong together and must not be parted: near duplicates, and what a user names as a group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tunesmith.core.errors import DataError
from tunesmith.data.clean import text_columns
from tunesmith.data.codes import folded_hashes, hashes, mix, texts_of
from tunesmith.data.duplicates import exact_groups, joined_texts, merged, near_groups
from tunesmith.data.media.same import content_keys
from tunesmith.data.roles import label_array
from tunesmith.data.rows import Rows

INSTRUCTION = 0.2
"""Share of the rows from which on what they all read is an instruction."""


def linked(
    rows: Rows, given: Mapping[str, Rows], names: Sequence[str], *, near: bool, known: np.ndarray | None = None
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Groups of rows over several parts at once.

    Args:
        rows: the rows to divide.
        given: parts that are divided already.
        names: text columns.
        near: near duplicates, too; otherwise only texts that are the same but for case, width and punctuation,
            and these only between ``rows`` and the given parts.
        known: the groups of ``rows``, used where nothing is given.

    Returns:
        the group of each of ``rows``, and of each row of every given part: equal numbers belong together.
    """
    apart = np.arange(len(rows))
    if not names or (not near and not given):
        return apart, {name: np.full(len(part), -1) for name, part in given.items()}
    if near and not given and known is not None:
        return known, {}
    chunks = [c for part in (rows, *given.values()) for c in joined_texts(part, list(names)).chunks]
    column = pa.chunked_array(chunks, pa.large_string())
    groups = near_groups(column) if near else same_groups(column)
    ends = np.cumsum([len(rows), *(len(part) for part in given.values())])
    return groups[: len(rows)], dict(zip(given, np.split(groups[len(rows) :], ends[:-1] - len(rows))[1:], strict=True))


def linked_inputs(
    rows: Rows, given: Mapping[str, Rows], names: Sequence[str]
) -> tuple[np.ndarray, dict[str, np.ndarray], int]:
    """Groups of rows that read the same, but for case, width and punctuation, whatever else they hold.

    What more than ``INSTRUCTION`` of all rows read is an instruction, or all that there is to read: these stand alone.

    Args:
        rows: the rows to divide.
        given: parts that are divided already.
        names: columns of the texts that are read.

    Returns:
        the groups as ``linked`` gives them, and how many of all rows read an instruction.
    """
    parts = (rows, *given.values())
    column = pa.chunked_array([c for p in parts for c in joined_texts(p, list(names)).chunks], pa.large_string())
    groups, common = without_common(same_groups(column))
    ends = np.cumsum([len(part) for part in parts])[:-1]
    own, *others = np.split(groups, ends)
    return own, dict(zip(given, others, strict=True)), common


def without_common(groups: np.ndarray) -> tuple[np.ndarray, int]:
    """Groups of which none has more than ``INSTRUCTION`` of the rows: those rows stand alone; and how many these are.

    Args:
        groups: the first row of each row's group, int [rows].

    >>> without_common(np.array([0, 0, 0, 3, 3, 5, 6, 7, 8, 9]))
    (array([0, 1, 2, 3, 3, 5, 6, 7, 8, 9]), 3)
    """
    common = np.bincount(groups, minlength=len(groups))[groups] > max(INSTRUCTION * len(groups), 2)
    return np.where(common, np.arange(len(groups)), groups), int(common.sum())


def linked_files(
    rows: Rows, given: Mapping[str, Rows], columns: Mapping[str, str | list[str]], *, near: bool
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Groups of rows with the same picture or sound, whatever it is called; of rows that have neither, of those with
    the same text. The same words beside another picture are another row.

    A file that more than ``INSTRUCTION`` of all rows have stands for one that is missing, and links nothing.

    Args:
        rows: the rows to divide.
        given: parts that are divided already.
        columns: role -> column.
        near: near duplicates of texts, too.

    Returns:
        as ``linked``.
    """
    parts = with_contents([rows, *given.values()], columns)
    total = sum(map(len, parts))
    groups, bare = np.arange(total), np.ones(total, bool)
    for name in files_of(columns):
        keys = np.concatenate([hashes(part.column(name)) for part in parts])
        filled = np.concatenate([np.asarray(pc.binary_length(texts_of(part.column(name)))) > 0 for part in parts])
        alike = exact_groups(np.where(filled, keys, mix(np.arange(total).astype(np.uint64) + np.uint64(0x5EED))))
        common = np.bincount(alike, minlength=total)[alike] > max(INSTRUCTION * total, 2)
        alike[common] = np.flatnonzero(common)
        groups, bare = merged(groups, alike), bare & ~filled
    if names := text_columns(columns):
        column = pa.chunked_array([c for p in parts for c in joined_texts(p, names).chunks], pa.large_string())
        texts = pc.if_else(pa.array(bare), column.combine_chunks(), "")
        column = pa.chunked_array([texts], pa.large_string())
        groups = merged(groups, near_groups(column) if near else same_groups(column))
    own, *others = np.split(groups, np.cumsum([len(part) for part in parts])[:-1])
    return own, dict(zip(given, others, strict=True))


def with_contents(parts: Sequence[Rows], columns: Mapping[str, str | list[str]]) -> list[Rows]:
    """The parts with keys of files in the place of their names: equal where what the files hold is."""
    made = list(parts)
    for name in files_of(columns):
        held = [part.column(name).to_pylist() if name in part.columns else [None] * len(part) for part in made]
        keys = content_keys([value for values in held for value in values])
        ends = np.cumsum([len(part) for part in made])
        for i, part in enumerate(made):
            own = pa.array(keys[int(ends[i]) - len(part) : int(ends[i])], pa.large_string())
            made[i] = part.replace(name, own) if name in part.columns else part.beside(name, own)
    return made


def files_of(columns: Mapping[str, str | list[str]]) -> list[str]:
    """Columns of pictures and sounds."""
    return [column for role in ("image", "audio") if isinstance(column := columns.get(role), str)]


def grouped(rows: Rows, column: str, links: np.ndarray) -> np.ndarray:
    """``links`` with rows of equal values in ``column`` made one group; empty cells stand alone."""
    codes, _ = label_array(rows, column)
    alone = np.where(codes < 0, -np.arange(1, len(rows) + 1), codes)
    return merged(links, exact_groups(alone))


def of_groups(rows: Rows, part: Rows, column: str) -> np.ndarray:
    """Which rows have a value in ``column`` that a row of a given part has. Shape [rows], bool; none where the part
    lacks the column.
    """
    if column not in part.columns:
        return np.zeros(len(rows), bool)
    codes, names = label_array(rows, column)
    taken = set(label_array(part, column)[1])
    inside: np.ndarray = np.array([*(name in taken for name in names), False])[codes]
    return inside


def needed(name: str | None, by: str) -> str:
    """The column that a way of dividing needs.

    Raises:
        DataError: none was given.
    """
    if name is None:
        raise DataError(f"data.split.by is {by}, but no {by} column is given.", f"Set data.split.{by}=COLUMN.")
    return name


def same_groups(column: pa.ChunkedArray) -> np.ndarray:
    """For every text the first one that is the same but for case, width and punctuation; empty ones stand alone."""
    keys = folded_hashes(column)
    empty = np.flatnonzero(keys == 0)
    keys[empty] = mix(empty.astype(np.uint64) + np.uint64(0x5EED))
    return exact_groups(keys)
