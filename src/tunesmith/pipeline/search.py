"""Search hyper-parameters: the rows are read once, trials answer the validation rows, the best recipe is run whole."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tunesmith.bundle.predictor import Predictor
from tunesmith.bundle.read import Bundle
from tunesmith.core.errors import RecipeError
from tunesmith.core.recipe import Recipe
from tunesmith.evaluation.metrics import METRICS
from tunesmith.evaluation.words import duration, number
from tunesmith.pipeline.plan import Plan, plan
from tunesmith.pipeline.run import Addition, run
from tunesmith.pipeline.search_trials import Job, do_trials
from tunesmith.pipeline.search_workers import do_in_parallel
from tunesmith.search.default_space import default_space
from tunesmith.search.saved import saved_seconds
from tunesmith.search.space import Space, check_space, parse_space
from tunesmith.search.study import Study, check_names, optuna
from tunesmith.training.run_folder import opened, run_folder


@dataclass(frozen=True)
class SearchOptions:
    """How to search.

    Args:
        trials: how many, in all; a search that has some goes on to this number.
        storage: a database's URL; None: beside the bundle, and removed when the bundle is there.
        sampler: "tpe", "random" or "gp".
        pruner: "median", "halving" or "none".
        jobs: processes at a time.
    """

    trials: int = 20
    storage: str | None = None
    sampler: str = "tpe"
    pruner: str = "median"
    jobs: int = 1


def search(recipe: Recipe, options: SearchOptions, *, overwrite: bool = False, fresh: bool = False) -> Bundle:
    """Try settings, then tune with the best; the bundle's report has a part on the search.

    No trial sees a test row. The recipe's own ``search.space`` is what is tried; without it, the settings that
    matter for the method, around its defaults, but for those that the recipe sets.

    Args:
        overwrite: write over a bundle of the same name.
        fresh: forget what an unfinished search left.

    Raises:
        TunesmithError: the space or the recipe is wrong, before anything is trained; or no trial ended well.
    """
    check_names(options.sampler, options.pruner)
    optuna()
    given = {} if recipe.search is None else parse_space(recipe.search.space)
    bare = recipe.model_copy(update={"search": None})
    base = plan(bare, replace=overwrite)
    if not base.data.validation:
        raise RecipeError(
            "A search chooses by validation rows, and there are none.",
            "Give a file of them, data.validation=FILE, or more rows and data.split.validation=0.1.",
        )
    values = _decided(bare, base)
    space = given or default_space(base.method, base.task, base.recipe.training, _settings(bare))
    check_space(space, values)
    with opened(run_folder(base.bundle, _identity(base, space)), fresh=fresh) as folder:
        job = _job(base, values, space, options, folder)
        study = job.study()
        revived = study.revive(alone=options.storage is None)
        if revived:
            job.say(f"  an earlier search was killed in {revived} of its trials; going on from there")
        for place in study.elsewhere():
            job.say(f"  trials are under way at {place}; they are left to it")
        study.suggest(_defaults(base, space))
        begun = time.monotonic()
        if options.jobs == 1:
            do_trials(job, base.data)
        else:
            do_in_parallel(job, base.data, options.jobs, base.machine.threads)
        record = record_of(study, job, time.monotonic() - begun)
        job.say(f"- {record['words']}")
        best = Recipe.parse(job.with_settings(study.best().settings))
        best = best.model_copy(update={"training": _with_trackers(best, bare), "bundle": str(base.bundle)})
        return run(plan(best, replace=overwrite, data=base.data), replace=overwrite, addition=_Found(record))


def record_of(study: Study, job: Job, seconds: float) -> dict[str, Any]:
    """What a report says of a search; JSON values."""
    records, best, first = study.records(), study.best(), study.defaults()
    counts = {state: sum(r.state == state for r in records) for state in ("complete", "pruned", "failed")}
    default = next((r for r in records if r.number == first and r.state == "complete"), None)
    saved, spent = saved_seconds(records), sum(r.seconds or 0.0 for r in records)
    found = {
        "metric": job.metric,
        "sampler": job.sampler,
        "pruner": job.pruner,
        "space": job.space,
        "counts": {"all": len(records), **counts},
        "trials": [asdict(r) for r in records],
        "best": asdict(best),
        "defaults": asdict(default) if default else None,
        "importance": study.importance(),
        "seconds": round(seconds, 3),
        "trial_seconds": round(spent, 3),
        "saved_seconds": round(saved, 3),
    }
    return {**found, "words": _words(found)}


def _words(record: Mapping[str, Any]) -> str:
    counts, best, default = record["counts"], record["best"], record["defaults"]
    said = f"{counts['all']} trials, of which {counts['pruned']} were given up early and {counts['failed']} failed."
    said += f" The best, number {best['number']}, reaches validation {record['metric']} {number(best['value'])}"
    if default and default["number"] != best["number"]:
        said += f"; the defaults reach {number(default['value'])}"
    elif default:
        said += "; these are the defaults"
    said += ". The best of many on few validation rows is partly luck: the test rows, used once, tell."
    if record["saved_seconds"] > 0:
        said += f" Giving up early saved about {duration(record['saved_seconds'])}"
        said += f" beside the {duration(record['trial_seconds'])} that trials took."
    return said


class _Found(Addition):
    """The search in the report of the bundle."""

    def __init__(self, record: dict[str, Any]) -> None:
        self.record = record

    def proven(self, predictor: Predictor, report: dict[str, Any], folder: Path) -> None:
        report["search"] = self.record


def _decided(recipe: Recipe, base: Plan) -> dict[str, Any]:
    """The user's recipe with task and method named: gaps in training stay, as they hang on what is tried."""
    values = recipe.model_dump(mode="json", exclude_unset=True, exclude={"search", "bundle"})
    for block in ("task", "method"):
        values[block] = getattr(base.recipe, block).model_dump()
    if recipe.training.accumulate is None:
        # The rows of a step are tried by ``batch_size``, and one that a trial names would be a step by itself.
        values["training"] = {**values.get("training", {}), "accumulate": base.recipe.training.accumulate}
    return values


def _settings(recipe: Recipe) -> set[str]:
    """Dotted keys that the user has set."""
    training = recipe.training.model_dump(exclude_unset=True)
    of_training = {f"training.{key}" for key, value in training.items() if value is not None}
    return of_training | {f"{block}.{key}" for block in ("method", "task") for key in getattr(recipe, block).options}


def _defaults(base: Plan, space: Space) -> dict[str, Any]:
    """What the plan would use for each setting of the space."""
    found = {}
    for key in space:
        block, _, name = key.partition(".")
        if block == "training":
            found[key] = getattr(base.recipe.training, name, None)
        elif block in ("method", "task"):
            plugin = getattr(base, block)
            found[key] = getattr(base.recipe, block).options.get(name, getattr(plugin, name, None))
    return found


def _identity(base: Plan, space: Space) -> dict[str, Any]:
    return {**base.identity, "space": {key: dimension.to_json() for key, dimension in space.items()}}


def _job(base: Plan, values: dict[str, Any], space: Space, options: SearchOptions, folder: Path) -> Job:
    metric = base.choosing[0]
    return Job(
        recipe=values,
        space={key: dimension.to_json() for key, dimension in space.items()},
        storage=options.storage or f"sqlite:///{folder.resolve() / 'trials.db'}",
        name=f"{base.bundle.name}-{folder.name.rpartition('-')[2]}",
        metric=metric,
        maximize=METRICS.load(metric).higher_is_better,
        sampler=options.sampler,
        pruner=options.pruner,
        seed=base.recipe.training.seed,
        trials=options.trials,
        parallel=options.jobs > 1,
        folder=str(folder),
    )


def _with_trackers(best: Recipe, asked: Recipe) -> Any:
    return best.training.model_copy(update={"trackers": asked.training.trackers, "threads": asked.training.threads})
