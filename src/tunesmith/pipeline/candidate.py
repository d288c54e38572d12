"""May a new bundle take an old one's place? Both answer the same held-out rows, and rows that must not be forgotten."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

from tunesmith.bundle.read import Bundle, read_bundle
from tunesmith.core.contracts import Row, Task
from tunesmith.core.errors import RecipeError
from tunesmith.core.recipe import DataBlock
from tunesmith.evaluation.forgetting import before_and_after, forgotten, over_known, present
from tunesmith.evaluation.words import number, signed
from tunesmith.pipeline.answering import Answering, answering
from tunesmith.pipeline.learn import evidence_of
from tunesmith.pipeline.measure import labelled_rows
from tunesmith.pipeline.own_file import unlearned
from tunesmith.pipeline.protected import divided
from tunesmith.tasks.grown import grown


def candidate(
    old: str | Path, new: str | Path, held: str, protected: str | None = None, *,
    part: str | None = None, most_lost: float = 0.02, least_gained: float = 0.0,
) -> dict[str, Any]:  # fmt: skip
    """Compare a candidate with the bundle that serves.

    Args:
        held: labelled rows of what is asked today, which the candidate did not learn from.
        protected: labelled rows of what was asked before.
        part: of a mixture, the one that both are compared by.
        most_lost: of the primary metric on protected rows, at most.
        least_gained: of it on held rows, at least.

    Returns:
        ``accepted``, ``reasons`` (why not), ``words``, ``notes``, and the figures under ``held`` and ``protected``.

    Raises:
        TunesmithError: the bundles are of different tasks, or a file does not fit.
    """
    bundles = read_bundle(old), read_bundle(new)
    _of_one_task(*((bundle.path, bundle.manifest.task.name) for bundle in bundles))
    was, now = (answering(bundle, part) for bundle in bundles)
    _of_one_task((was.path, was.task.name), (now.path, now.task.name))
    predictors = was.predictor(), now.predictor()
    rows, notes = unlearned(bundles, held, _rows(now, held))
    sides = {"held": _compared(was, now, predictors, rows)}
    metric = sides["held"]["metric"]
    if protected is not None:
        kept = None if part else not_replayed(*bundles, protected)
        rows, more = unlearned(bundles, protected, _rows(now, protected) if kept is None else kept)
        sides["protected"] = _compared(was, now, predictors, rows, over_old=True)
        notes = list(dict.fromkeys([*notes, *more]))
    lost = {name: forgotten(found, found["metric"]) for name, found in sides.items()}
    reasons = [
        f"on {name} rows {found['metric']} is not defined for one of both: nothing is proven"
        for name, found in sides.items()
        if not math.isfinite(lost[name]["value"])
    ]
    if -lost["held"]["value"] < least_gained or sides["held"]["compared"][metric]["verdict"] == "worse":
        reasons.append(
            f"on held-out rows {metric} changes by {signed(-lost['held']['value'])}, {least_gained:g} wanted"
        )
    if "protected" in lost and lost["protected"]["value"] > most_lost:
        kept, fall = sides["protected"]["metric"], number(lost["protected"]["value"])
        reasons.append(f"on protected rows {kept} falls by {fall}, {most_lost:g} allowed")
    told = "; ".join(
        f"{name}: {metric} {number(found['compared'][found['metric']]['second_value'])} -> "
        f"{number(found['compared'][found['metric']]['first_value'])} on {found['rows']:,} rows"
        for name, found in sides.items()
    )
    words = " ".join([f"{'Refused: ' + '; '.join(reasons) if reasons else 'Accepted'}. {told}.", *notes])
    return {"accepted": not reasons, "reasons": reasons, "words": words, "notes": notes, "metric": metric,
            "lost": lost, **sides}  # fmt: skip


def not_replayed(old: Bundle, new: Bundle, file: str) -> list[Row] | None:
    """Of the rows that the new bundle protected while it learned from the old one, those that it did not train on.

    None: it learned from another, protected no rows, or others than these.
    """
    then = new.manifest.data.get("protected")
    if not then or new.manifest.lineage.parent != old.manifest.to_json()["seal"]:
        return None
    found = divided(old, file)
    return found.measured if found.fingerprints == then else None


def _rows(new: Answering, file: str) -> list[Row]:
    return labelled_rows(new, DataBlock.model_validate({"path": file}), [])


def _of_one_task(old: tuple[Path, str], new: tuple[Path, str]) -> None:
    if old[1] != new[1]:
        raise RecipeError(
            f"{new[0]} is a bundle of {new[1]}, and {old[0]} one of {old[1]}.", "Compare bundles of one task."
        )


def _compared(
    old: Answering, new: Answering, predictors: tuple[Any, Any], rows: list[Row], *, over_old: bool = False
) -> dict[str, Any]:  # fmt: skip
    """Both on the same rows.

    Args:
        predictors: what answers of each.
        over_old: count over the classes that the old bundle knows, as rows of old domains have no others. Else over
            those that the new one knows or a row has: an answer that only the old one gives is a miss.
    """
    task = who_knows_both(new.task, old.task)
    sides = [evidence_of(side.task, one, task, rows) for side, one in zip((old, new), predictors, strict=True)]
    if over_old or task is not new.task:
        counted = places(old.task, task) if over_old else {*places(new.task, task), *present(sides[0])}
        sides = [over_known(side, sorted(counted)) for side in sides]
    found = before_and_after(sides[0], sides[1], new.task.metrics)
    metric = new.task.metrics[0]
    return {**found, "metric": metric if metric in found["compared"] else next(iter(found["compared"]))}


def who_knows_both(new: Task, old: Task) -> Task:
    """The new bundle's task; where the old one has classes that it lacks, a copy that knows these, too, at the end."""
    if all(set(getattr(old, names, [])) <= set(getattr(new, names, [])) for names in ("labels", "relations")):
        return new
    both = copy.copy(new)
    both.restore(grown(new.state, old.state))
    return both


def places(own: Task, task: Task) -> list[int]:
    """Where the classes of one task stand among those of another that knows them all.

    Each tuning sorts its own labels: a class may stand elsewhere in the new bundle than it did in the old one.
    """
    labels = list(getattr(task, "labels", []))
    return [labels.index(label) for label in getattr(own, "labels", [])]
