"""What pretraining is good for: a task is learned from the model as it was and from the one that was pretrained."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import RecipeError, TunesmithError
from tunesmith.core.recipe import ModelBlock, Recipe
from tunesmith.data.corpus import standing_in
from tunesmith.data.prepare import texts_in
from tunesmith.evaluation.metrics import METRICS
from tunesmith.pipeline.plan import Plan, plan
from tunesmith.pipeline.run import Addition, Run

if TYPE_CHECKING:
    from tunesmith.pipeline.pretrain import Pretraining

BEFORE, AFTER = "before", "after"


def gain(run: Pretraining) -> dict[str, Any]:
    """The task's primary metric on its test rows, for each number of labels and each seed, from both models."""
    from tunesmith.pipeline.pretrain_save import write_pretrained

    block = run.plan.recipe.downstream
    assert block is not None and run.plan.downstream is not None
    candidate = run.folder / "candidate"
    shutil.rmtree(candidate, ignore_errors=True)
    candidate.mkdir()
    device = next(iter(run.model.parameters())).device
    run.model.to("cpu")
    write_pretrained(run, candidate)
    run.model.to(device)
    models = {BEFORE: model_before(run), AFTER: str(candidate)}
    found = [
        measured_from(run.plan.downstream, models, labels, seed, run.folder / "downstream")
        for labels in block.labels or [0]
        for seed in range(1, block.seeds + 1)
    ]
    return {"runs": found, "gains": gains(found)}


def model_before(run: Pretraining) -> str | ModelBlock:
    """The very model that was pretrained, in the revision that was."""
    base = run.plan.recipe.model
    return ModelBlock(name=run.reference.name, revision=base.revision, trust_remote_code=base.trust_remote_code)


def refuse_unmeasurable(recipe: Recipe, model: ModelBlock, labels: Sequence[int], seeds: int, bundle: Path) -> None:
    """Plan the task before anything is learned, with each number of labels and each seed.

    Raises:
        TunesmithError: the task's rows, columns or settings do not fit, or there are fewer labels than asked for.
    """
    made = _planned(recipe, model, 0, 1, bundle)
    rows, validation = made.data.train, made.data.validation
    for check in made.checks:
        check.ready(made.data.test)
    for count in labels or [0]:
        if count > len(rows):
            raise RecipeError(
                f"downstream.labels asks for {count:,} training rows, and there are {len(rows):,}.",
                "Ask for fewer; downstream.labels=[] takes all.",
            )
        for seed in range(1, seeds + 1):
            try:
                _take(made, rows, validation, count, seed)
                made.task.check(made.data.validation)
                made.task.check(made.data.test)
            except TunesmithError as error:
                size = f"with {count:,} labels" if count else "with all labels"
                raise RecipeError(f"downstream, {size}: {error.problem}", error.hint) from error


def shared_rows(run: Pretraining) -> list[str]:
    """A sentence where texts of the task's test rows were learned from, as documents of the corpus."""
    assert run.plan.downstream is not None
    made = _planned(run.plan.downstream, model_before(run), 0, 1, run.folder / "downstream-bundle")
    texts = texts_in(made.data.test)
    count = standing_in(texts, run.learned())
    if not count:
        return []
    return [
        f"{count:,} of the task's {len(texts):,} test rows (downstream) are documents of the corpus, too: their texts "
        "were learned from, without their labels."
    ]


def measured_from(
    recipe: Recipe, models: Mapping[str, str | ModelBlock], labels: int, seed: int, folder: Path
) -> dict[str, Any]:
    """One number of labels and one seed: the primary metric on the test rows, by model.

    Args:
        labels: training rows, drawn by the seed, and a fifth of them for validation; 0: all.
        folder: for checkpoints; emptied.
    """
    told: dict[str, Any] = {"labels": labels, "seed": seed}
    for side, path in models.items():
        made = _planned(recipe, path, labels, seed, folder.with_name(f"{folder.name}-bundle"))
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        learned = Run(made, folder, Addition())
        learned.tuned()
        evidence, _ = learned.measured("fp32")
        metric = made.task.metrics[0]
        told |= {"metric": metric, side: float(METRICS.make(metric)(evidence))}
        if made.checks:
            checked = learned.checked()
            told.setdefault("checks", {})[side] = {one.name: one.figure for one in checked}
    return told


def _planned(recipe: Recipe, start: str | ModelBlock, labels: int, seed: int, bundle: Path) -> Plan:
    """The task's plan from a folder, or from a block that says which model; what else is said of models is kept."""
    training = recipe.training.model_copy(update={"seed": seed, "trackers": []})
    named = {"name": start} if isinstance(start, str) else start.model_dump(exclude={"max_length", "pooling"})
    model = recipe.model.model_copy(update=named)
    made = plan(recipe.model_copy(update={"training": training, "model": model, "bundle": str(bundle)}))
    if labels:
        _take(made, made.data.train, made.data.validation, labels, seed)
    return made


def _take(made: Plan, train: list[Any], validation: list[Any], labels: int, seed: int) -> None:
    """Learn from so many rows; 0: all."""
    made.data.train = drawn_rows(train, labels, seed) if labels else train
    # Labels of validation rows are labels, too.
    made.data.validation = drawn_rows(validation, max(8, labels // 5), seed) if labels else validation
    made.task.learn(made.data.train)


def drawn_rows(rows: list[Any], count: int, seed: int) -> list[Any]:
    """``count`` rows, each class with its share where rows have a label; drawn by the seed."""
    import random

    draw = random.Random(seed)
    by_class: dict[str, list[Any]] = {}
    for row in rows:
        by_class.setdefault(str(row.get("label", "")), []).append(row)
    for own in by_class.values():
        draw.shuffle(own)
    # Every class one row, then in proportion: the k-th row of a class of n stands at k / n.
    order = sorted(
        ((place + 0.5) / len(own) if place else -1.0, name, place)
        for name, own in by_class.items()
        for place in range(len(own))
    )
    return [by_class[name][place] for _, name, place in order[:count]]


def gains(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """For each number of labels, the means and the mean difference over seeds, with its standard error."""
    import numpy as np

    told = []
    for labels in dict.fromkeys(run["labels"] for run in runs):
        some = [run for run in runs if run["labels"] == labels]
        gap = np.array([run[AFTER] - run[BEFORE] for run in some])
        told.append(
            {
                "labels": labels,
                "metric": some[0]["metric"],
                "seeds": len(some),
                "before": float(np.mean([run[BEFORE] for run in some])),
                "after": float(np.mean([run[AFTER] for run in some])),
                "gain": float(gap.mean()),
                "error": float(gap.std(ddof=1) / len(gap) ** 0.5) if len(gap) > 1 else None,
            }
        )
    return told
