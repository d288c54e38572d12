"""Do trials of a search, one after the other, until there are enough of them."""

from __future__ import annotations

import shutil
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tunesmith.core.errors import TunesmithError
from tunesmith.core.recipe import Recipe
from tunesmith.data.prepare import Prepared
from tunesmith.evaluation.words import duration, number
from tunesmith.pipeline.plan import plan
from tunesmith.pipeline.run import tried
from tunesmith.search.reporter import Pruned, Reporter
from tunesmith.search.saved import whole
from tunesmith.search.space import parse_space, with_values
from tunesmith.search.study import Study

HOPELESS = 3
"""Trials that may fail before one has come to its end; then the search is at fault, not the settings."""


@dataclass(frozen=True)
class Job:
    """All that a process needs to do trials, but for the rows; JSON values.

    Args:
        recipe: nested mappings, without bundle and search.
        space: as a user would write it.
    """

    recipe: dict[str, Any]
    space: dict[str, Any]
    storage: str
    name: str
    metric: str
    maximize: bool
    sampler: str
    pruner: str
    seed: int
    trials: int
    parallel: bool
    folder: str

    def study(self) -> Study:
        """Open the database."""
        return Study(
            self.storage,
            self.name,
            parse_space(self.space),
            self.maximize,
            sampler=self.sampler,
            pruner=self.pruner,
            seed=self.seed,
            folder=Path(self.folder),
            parallel=self.parallel,
        )

    def with_settings(self, settings: dict[str, Any]) -> dict[str, Any]:
        """The recipe's mapping with a trial's settings in it."""
        return with_values(self.recipe, settings)

    def say(self, line: str) -> None:
        """One line on stderr."""
        print(line, file=sys.stderr, flush=True)


def do_trials(job: Job, data: Prepared) -> None:
    """Ask, try, tell; the test rows stay out of reach."""
    study = job.study()
    unseen = replace(data, test=[])
    while not _at_fault(study) and (trial := study.ask(job.trials)) is not None:
        _attempt(job, study, trial, unseen)
        _said(job, study, trial)


def _attempt(job: Job, study: Study, trial: Any, data: Prepared) -> None:
    before, begun = float(trial.user_attrs.get("seconds", 0.0)), time.monotonic()
    folder = Path(job.folder, f"trial-{trial.user_attrs['place']}")

    def spent() -> float:
        return before + time.monotonic() - begun

    def hopeless(evaluation: int, step: int, value: float) -> bool:
        trial.set_user_attr("seconds", round(spent(), 3))
        return study.evaluated(trial, evaluation, step, value)

    reporter = Reporter(job.metric, hopeless, trial.user_attrs.get("evaluations", ()))
    value: float | None = None
    pruned, failure = False, ""
    try:
        recipe = Recipe.parse({**job.with_settings(trial.params), "bundle": str(folder / "bundle")})
        folder.mkdir(parents=True, exist_ok=True)
        planned = plan(recipe, data=data)
        planned.trackers = [reporter]
        found = tried(planned, folder, measure=False)
        value = _best(found.trained.history, job)
        failure = "" if value is not None else f"no evaluation gave a {job.metric}"
    except Pruned:
        pruned = True
        trial.set_user_attr("whole_seconds", round(whole(spent(), reporter.step, reporter.total), 3))
    except TunesmithError as error:
        failure = error.problem
    trial.set_user_attr("seconds", round(spent(), 3))
    study.tell(trial, value, pruned=pruned, error=failure)
    shutil.rmtree(folder, ignore_errors=True)


def _best(history: list[dict[str, Any]], job: Job) -> float | None:
    """Of all evaluations: the loop keeps the weights of this one."""
    seen = [entry["validation"][job.metric] for entry in history if "validation" in entry]
    defined = [value for value in seen if value == value]
    return (max if job.maximize else min)(defined, default=None)


def _at_fault(study: Study) -> bool:
    records = study.records()
    failed = sum(r.state == "failed" for r in records)
    return failed >= HOPELESS and not any(r.state == "complete" for r in records)


def _said(job: Job, study: Study, trial: Any) -> None:
    records = study.records()
    mine = next(r for r in records if r.settings == trial.params and r.state != "running")
    settings = "  ".join(f"{key.partition('.')[2]} {_short(value)}" for key, value in mine.settings.items())
    result = {"complete": number(mine.value), "pruned": "given up", "failed": f"failed: {mine.error}"}[mine.state]
    job.say(f"  trial {mine.number}/{job.trials}  {job.metric} {result}  {duration(mine.seconds)}  {settings}")


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
