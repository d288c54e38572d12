"""The rows that a bundle has met, for those that learn on, are divided again, or must not be asked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tunesmith.bundle.known_rows import KnownRows, read_known, write_known
from tunesmith.bundle.read import Bundle
from tunesmith.bundle.rows import input_columns
from tunesmith.core.contracts import Task
from tunesmith.core.recipe import Recipe
from tunesmith.data.shapes.settle import is_log
from tunesmith.data.split import STOOD, AllTrained
from tunesmith.pipeline.inherited import private
from tunesmith.pipeline.plan import Plan, plan

if TYPE_CHECKING:
    from tunesmith.pipeline.protected import Protected


def roles_of(task: Task) -> list[str]:
    """What rows of a task are known by."""
    return [column.role for column in input_columns(task)]


def known_by(bundle: Bundle, *, only_earlier: bool = False) -> KnownRows | None:
    """See ``read_known``."""
    return read_known(bundle.path, roles_of(bundle.task), only_earlier=only_earlier)


def met(parent: Bundle, old: Protected) -> KnownRows:
    """What must keep its part when a bundle learns on: what it has met, and the protected rows."""
    known = known_by(parent) or KnownRows(roles_of(parent.task))
    return known.beside(train=old.memory, validation=old.validation, test=old.measured)


def divided_as_before(recipe: Recipe, earlier: KnownRows | None, replace: bool) -> Plan:
    """A plan whose rows keep the part that they had; new answers to nothing but old questions are divided anew."""
    try:
        return plan(recipe, replace=replace, earlier=earlier)
    except AllTrained as error:
        planned = plan(recipe, replace=replace)
        planned.earlier = earlier
        planned.data.notes.append(f"{error.problem} They are divided anew: figures of these test rows are too good.")
        return planned


def overlap(plan: Plan, old: Protected) -> list[str]:
    """How many of the new rows are protected ones, too, as a note; none where no row is."""
    of_old = KnownRows(roles_of(plan.task)).beside(train=[*old.memory, *old.validation, *old.measured])
    found = {part: int(of_old.trained(getattr(plan.data, part)).sum()) for part in STOOD}
    if not any(found.values()):
        return []
    told = ", ".join(f"{count} in {part}" for part, count in found.items())
    of = sum(len(getattr(plan.data, part)) for part in STOOD)
    return [f"{sum(found.values())} of {of} new rows stand in {old.path}, too ({told}): each has one part in both."]


def keep_known(part: Path, plan: Plan) -> None:
    """Write what a run met into its bundle; not where its training guards each row, as keys tell who was there."""
    if private(plan.recipe) or plan.data.parts or is_log(plan.task.name):
        return
    names = roles_of(plan.task)
    own = KnownRows(names).beside(**{name: getattr(plan.data, name) for name in STOOD})
    if len(own):
        write_known(part, plan.earlier or KnownRows(names), own)
