"""Which candidate is worth its cost? The ladder within a time budget, measured on rows that are not the test rows.

A recipe's test rows stay untouched: they prove what is tuned afterwards. Candidates are measured on the validation
rows, and what they choose (the best checkpoint) they choose on a tenth of the training rows.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from tunesmith.core import memory
from tunesmith.core.contracts import Row
from tunesmith.core.errors import RecipeError, TunesmithError
from tunesmith.core.recipe import PluginBlock, Recipe
from tunesmith.core.registry import family
from tunesmith.evaluation.baselines import FOR
from tunesmith.evaluation.baselines.measured import title
from tunesmith.evaluation.bootstrap import Measured, measure
from tunesmith.evaluation.compare import compare_measured
from tunesmith.evaluation.metrics import METRICS
from tunesmith.evaluation.report import NAMES
from tunesmith.evaluation.words import duration, number
from tunesmith.pipeline.plan import Plan, plan
from tunesmith.pipeline.scout_rungs import BaselineRung, Field, TrainedRung, ZeroShotRung
from tunesmith.search.ladder import LADDER, Candidate, Rung, cheapest, to_tune, too_dear
from tunesmith.search.space import with_values

MEASURED = 0.2
"""Least share of rows that candidates are measured on, where the validation rows are no file of their own."""
CHOSEN_ON = 0.1
"""Share of the training rows on which a candidate chooses its checkpoint."""
ENOUGH = 40
"""Training rows below which nothing is set apart from them."""


def scout(recipe: Recipe, budget: float, scratch: str) -> dict[str, Any]:
    """Climb the ladder; JSON values.

    Args:
        recipe: without a method; its training settings hold for all rungs.
        budget: seconds.
        scratch: a folder that nothing is written to; plans want a place for a bundle.

    Raises:
        TunesmithError: the recipe or the data are wrong, or not even one candidate fits into the budget.
    """
    begun = time.monotonic()
    if recipe.method.name != "auto" or recipe.training.strategies:
        raise RecipeError("A scout tries methods and strategies by itself.", "Leave method and strategies out.")
    base = plan(_with_more_validation(recipe, scratch))
    if not base.data.validation:
        raise RecipeError("Candidates are measured on validation rows, and there are none.", "Give data.validation.")
    field = _field(recipe, base)
    _say(f"{base.task.name}, {len(field.every)} rows to train on, {len(field.data.test)} to measure on")
    rungs, found = [], {}
    for candidate in _candidates(base):
        rung, done = _climbed(candidate, field, base, budget - (time.monotonic() - begun))
        rungs.append(rung)
        if done is not None:
            found[rung.key] = measure(done.evidence, base.task.metrics, resamples=recipe.evaluation.resamples)
            _noted(rung, found[rung.key], base.task.metrics[0], recipe.evaluation.confidence)
            _say(f"  {base.task.metrics[0]} {number(rung.value)}  {duration(rung.seconds)}")
        else:
            _say(f"  not tried: {rung.skipped}")
    if not found:
        raise RecipeError(
            f"No candidate fits into {duration(budget)}.", "Give a larger --budget, or fewer rows: data.limit=1000."
        )
    _compared(rungs, found, base.task.metrics[0], recipe.evaluation.confidence)
    return _result(recipe, base, field, rungs, budget, time.monotonic() - begun)


def _candidates(base: Plan) -> list[Candidate]:
    """The ladder, with the task's own baselines on its foot."""
    names = FOR.get(base.task.name, ())
    baselines = [Candidate(name, title(name) or NAMES.get(name, name)) for name in names]
    return baselines + [candidate for candidate in LADDER if candidate.key != "baselines"]


def _climbed(candidate: Candidate, field: Field, base: Plan, left: float) -> tuple[Rung, Any]:
    rung = Rung(candidate.key, candidate.title, candidate.recipe)
    if candidate.strategy and candidate.strategy not in family("strategies"):
        rung.skipped = f'there is no strategy "{candidate.strategy}" here'
        return rung, None
    if candidate.strategy:
        rung.recipe = {**(candidate.recipe or {}), "training.strategies": [{"name": candidate.strategy}]}
    begun = time.monotonic()
    _say(f"- {candidate.title}")
    try:
        if left <= 0:
            rung.skipped = "the time is up"
            return rung, None
        with memory.told():
            made = _made(candidate, field, base)
            rung.predicted = round(made.predict(), 3)
        left -= time.monotonic() - begun
        if too_dear(rung.predicted, left):
            rung.skipped = f"it would take about {duration(rung.predicted)}, and {duration(max(left, 0))} are left"
            return rung, None
        _say(f"  about {duration(rung.predicted)}, of {duration(left)}")
        with memory.told():
            done = made.run()
    except TunesmithError as error:
        rung.skipped = error.problem.rstrip(".")
        return rung, None
    rung.seconds = round(done.seconds, 3)
    return rung, done


def _made(candidate: Candidate, field: Field, base: Plan) -> Any:
    if candidate.key in FOR.get(base.task.name, ()):
        return BaselineRung(field, candidate.key, base.task)
    return ZeroShotRung(field, candidate) if candidate.recipe is None else TrainedRung(field, candidate)


def _noted(rung: Rung, found: Measured, primary: str, confidence: float) -> None:
    figures = found.figures(confidence)
    rung.figures = {name: figure.to_json() for name, figure in figures.items()}
    rung.value = figures[primary].value


def _compared(rungs: Sequence[Rung], found: Mapping[str, Measured], primary: str, confidence: float) -> None:
    """What each is beside the best, by a paired test on the same rows."""
    sign = 1 if METRICS.load(primary).higher_is_better else -1
    tried = [rung for rung in rungs if rung.key in found]
    best = max(tried, key=lambda rung: sign * float(rung.value or 0.0))
    for rung in tried:
        names = {"first_name": rung.title, "second_name": best.title}
        verdict = compare_measured(found[rung.key], found[best.key], **names, confidence=confidence)[primary].verdict
        rung.beside_best = "best" if rung is best else "worse" if verdict == "worse" else "not distinguishable"


def _result(
    recipe: Recipe, base: Plan, field: Field, rungs: Sequence[Rung], budget: float, seconds: float
) -> dict[str, Any]:
    metric = base.task.metrics[0]
    pick, ready = cheapest(rungs), to_tune(rungs, METRICS.load(metric).higher_is_better)
    best = next(rung for rung in rungs if rung.beside_best == "best")
    return {
        "task": base.task.name,
        "language": base.data.language,
        "model": base.reference.hub_id or base.reference.name,
        "metric": metric,
        "rows": {"train": len(field.every), "measured": len(field.data.test), "test (untouched)": len(base.data.test)},
        "budget": budget,
        "seconds": round(seconds, 3),
        "rungs": [asdict(rung) for rung in rungs],
        "pick": pick.key if pick else None,
        "to_tune": ready.key if ready else None,
        "words": _words(pick, best, ready, rungs, metric),
        "recipe": _ready_recipe(recipe, base, ready) if ready else None,
        "notes": [*base.data.why, *base.data.notes],
    }


def _words(pick: Rung | None, best: Rung, ready: Rung | None, rungs: Sequence[Rung], metric: str) -> str:
    assert pick is not None  # the best itself is one
    said = f"The pick is {pick.title}: {metric} {number(pick.value)} in {duration(pick.seconds)}"
    if pick is best:
        said += ", the best; nothing cheaper is as good."
    else:
        said += f"; the best, {best.title}, reaches {number(best.value)} in {duration(best.seconds)}, "
        said += "which these rows do not tell apart."
    if pick.recipe is None and ready is not None:
        said += f" It is no model that a bundle holds; of those that are, take {ready.title}"
        said += "." if ready.beside_best != "worse" else f" ({metric} {number(ready.value)}), which is worse."
    left_out = [rung.title for rung in rungs if rung.skipped]
    return said + (f" Not tried: {'; '.join(left_out)}." if left_out else "")


def _ready_recipe(recipe: Recipe, base: Plan, ready: Rung) -> dict[str, Any]:
    """What ``tune`` takes: the user's recipe, with what was guessed of the data and the pick in it."""
    values = recipe.model_dump(mode="json", exclude_unset=True, exclude_none=True)
    values["data"] = {**values.get("data", {}), "columns": base.recipe.data.columns}
    values["task"] = base.recipe.task.model_dump()
    values["model"] = {**_block(values.get("model")), "name": base.recipe.model.name}
    return with_values(values, ready.recipe or {})


def _block(value: Any) -> dict[str, Any]:
    return {"name": value} if isinstance(value, str) else dict(value or {})


def _with_more_validation(recipe: Recipe, scratch: str) -> Recipe:
    """The same test rows, and enough rows to measure on. The test rows are drawn first, so they stay the same."""
    data = recipe.data
    if data.validation is None:
        share = max(data.split.validation, MEASURED)
        data = data.model_copy(update={"split": data.split.model_copy(update={"validation": share})})
    method = PluginBlock(name="full")
    return recipe.model_copy(update={"data": data, "method": method, "bundle": f"{scratch}/none"})


def _field(recipe: Recipe, base: Plan) -> Field:
    values = recipe.model_dump(mode="json", exclude_unset=True, exclude={"bundle", "method", "search"})
    values["task"] = base.recipe.task.model_dump()
    train, chosen_on = set_apart(base.data.train, recipe.training.seed)
    data = replace(base.data, train=train, validation=chosen_on, test=base.data.validation)
    return Field(values, data, base.data.train)


def set_apart(rows: Sequence[Row], seed: int) -> tuple[list[Row], list[Row]]:
    """Training rows, and some to choose a checkpoint on, of each label alike; none where rows are few."""
    if len(rows) < ENOUGH:
        return list(rows), []
    order = random.Random(seed).sample(range(len(rows)), len(rows))
    order.sort(key=lambda i: str(rows[i].get("label", "")))
    every = round(1 / CHOSEN_ON)
    apart = set(order[every // 2 :: every])
    return [row for i, row in enumerate(rows) if i not in apart], [rows[i] for i in sorted(apart)]


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
