"""The rows of a file with what a task that is settled already wants to know of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from tunesmith.core.contracts import Row, Task
from tunesmith.data.clean import clean
from tunesmith.data.roles import table_of_roles
from tunesmith.data.rows import Rows
from tunesmith.data.schema import guess
from tunesmith.data.settle import as_read
from tunesmith.data.shapes.direction import languages_of
from tunesmith.data.shapes.settle import shape_of


def labelled(
    task: Task,
    source: Rows,
    columns: Mapping[str, str | list[str]],
    notes: list[str],
    cleaning: Callable[[str], Mapping[str, Any]] | None = None,
    reads: Collection[str] = (),
) -> list[Row]:
    """Rows by role, those without a label left out.

    Args:
        task: one that has learned its labels.
        columns: role -> column; others are guessed.
        notes: what is odd is added, in words.
        cleaning: a task's name -> options of ``clean``; None: the rows stay as they are.
        reads: roles that were read beside the task's own.

    Raises:
        DataError: a role that the task needs has no column.
    """
    found = guess(source, task=task.name, columns=dict(columns), reads=reads)
    shape = shape_of(found.task, languages_of(task))
    rows, settled = as_read(source, found.task, found.columns, notes, getattr(task, "labels", []), shape)
    if cleaning is not None:
        rows, report = clean(rows, settled, **cleaning(found.task))
        notes += [*source.origin.notes, *report.notes()]
    wanted = [column.role for column in task.columns if column.required]
    return list(table_of_roles(rows, settled, wanted))
