"""Decide everything that a recipe leaves open. The data is read; no weights are loaded."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from dataclasses import replace as replaced
from pathlib import Path
from typing import Any

from tunesmith.bundle.known_rows import KnownRows
from tunesmith.bundle.write import check_target, unnumbered
from tunesmith.core.contracts import Check, Method, Strategy, Task, Tracker
from tunesmith.core.errors import DataError, RecipeError, did_you_mean
from tunesmith.core.recipe import DataBlock, PluginBlock, Recipe, read_yaml
from tunesmith.core.registry import family, tasks_with
from tunesmith.core.runtime import Machine, one_process, resolve
from tunesmith.data.prepare import Prepared
from tunesmith.data.undesired import ROLE as DESIRABLE
from tunesmith.data.undesired import imitable
from tunesmith.evaluation.baselines import FOR
from tunesmith.evaluation.gate import WORDS, Condition, parse_gate
from tunesmith.evaluation.groups import GAPS
from tunesmith.evaluation.preferences import FIGURES as PREFERENCES
from tunesmith.models.reference import ModelReference
from tunesmith.models.reference import resolve as resolve_model
from tunesmith.pipeline.asked import hand_over
from tunesmith.pipeline.augmented import check_augmentations
from tunesmith.pipeline.calibrated import refuse_calibration
from tunesmith.pipeline.transcribed import prepared
from tunesmith.tasks.languages import code_of
from tunesmith.training.settings import decided
from tunesmith.training.strategies.order import ordered

ANSWERS = frozenset({"completion", "output", "chosen"})
"""Roles of conversations' last answers."""


@dataclass
class Plan:
    """A run, decided: ``recipe`` has no gaps."""

    recipe: Recipe
    data: Prepared
    reference: ModelReference
    task: Task
    method: Method
    strategies: list[Strategy]
    trackers: list[Tracker]
    machine: Machine
    bundle: Path
    max_length: int
    checks: list[Check] = field(default_factory=list)
    parent: str | None = None
    """The seal of the bundle that is learned on from, if one is."""
    earlier: KnownRows | None = None
    """Rows that were met before these were divided."""
    beside: dict[str, Any] = field(default_factory=dict)
    """What a verb does beside the recipe, as JSON values: another one is another run."""
    features: Path | None = None
    """Where the vectors of a frozen backbone are kept; None: in the user's cache."""

    def stage(self, name: str) -> None:
        """Tell every tracker where the run is."""
        for tracker in self.trackers:
            tracker.stage(name)

    def progress(self, done: int, total: int) -> None:
        """Tell every tracker how far that is."""
        for tracker in self.trackers:
            tracker.progress(done, total)

    @property
    def choosing(self) -> tuple[str, ...]:
        """Metrics of the validation rows: a strategy's, where it learns for something else than the task's."""
        return next((strategy.choosing for strategy in self.strategies if strategy.choosing), self.task.choosing)

    @property
    def identity(self) -> dict[str, Any]:
        """What makes the run this one: with the same, an unfinished run goes on."""
        recipe = self.recipe.model_dump(
            exclude={"bundle": True, "training": {"trackers", "threads"}, "evaluation": {"gate", "checks"}}
        )
        beside = {"beside": self.beside} if self.beside else {}
        return {"recipe": recipe, "data": self.data.fingerprints, "model": self.reference.content_hash, **beside}


def as_recipe(data: Any, overrides: Iterable[str] = (), blocks: Mapping[str, Any] | None = None) -> Recipe:
    """A checked recipe from whatever names one: a data file, a recipe's file, a mapping, a Recipe.

    Raises:
        RecipeError: with all mistakes.
    """
    extra = dict(blocks or {})
    if isinstance(data, Recipe):
        values: dict[str, Any] = data.model_dump(exclude_unset=True)
    elif isinstance(data, Mapping):
        values = dict(data)
    elif str(data).endswith((".yaml", ".yml")):
        values = read_yaml(data)
    else:
        given = extra.pop("data", {})
        values = {"data": {"path": str(data), **(given if isinstance(given, Mapping) else {})}}
    return Recipe.parse({**values, **extra}, overrides)


def plan(
    recipe: Recipe, *, replace: bool = False, data: Prepared | None = None, earlier: KnownRows | None = None
) -> Plan:
    """Read the data, guess what is not said, choose model, method and defaults.

    Args:
        replace: whether a bundle in the bundle's place is to be written over; else it is an error, and an early one.
        data: the rows, where another plan has read and divided them already.
        earlier: rows that were met before, which keep their part.

    Raises:
        TunesmithError: what does not fit, before anything heavy is done.
    """
    if not recipe.data.path and not recipe.data.parts:
        raise RecipeError("data.path is missing: there is nothing to learn from.", "Run: tunesmith tune YOUR_FILE")
    one_process()
    target = Path(recipe.bundle) if recipe.bundle else place_for(recipe.data.path or "mixture", replace=replace)
    check_target(target, replace=replace)
    strategies = ordered([_made("strategies", block) for block in recipe.training.strategies])
    parse_gate(recipe.evaluation.gate)
    machine = resolve(recipe.training.device, recipe.training.precision, recipe.training.threads)
    # What this run adds to the notes is not of the others.
    data = _prepared(recipe, strategies, earlier) if data is None else replaced(data, notes=list(data.notes))
    data = imitable(data, parts=_imitated(strategies))
    decided_data = _decided_data(recipe.data, data)
    task_block = _task_block(recipe, data, decided_data)
    Recipe.parse({"task": task_block.model_dump()})
    made_task: Task = tasks_with(task_block.name).make(task_block.name, task_block.options)
    task: Task = hand_over(made_task)
    method_block = recipe.method
    if method_block.name == "auto":
        method_block = PluginBlock(name=task.method, **recipe.method.options)
        Recipe.parse({"method": method_block.model_dump()})  # options beside "auto" could not be checked before
    method: Method = _made("methods", method_block)
    task.furnish(data.tables)
    task.learn(data.train)
    _figures_exist(recipe, task, data, strategies)
    _fits(method, task)
    _strategies_fit(strategies, method, task, data)
    checks = [_made("checks", block) for block in recipe.evaluation.checks]
    _checks_fit(checks, task)
    check_augmentations(recipe.data, data)
    training = decided(recipe.training, method, task, strategies, len(data.train))
    model = recipe.model
    reference = resolve_model(
        (task.starts_from() or model.name) if model.name == "auto" else model.name,
        revision=model.revision,
        language=data.language,
        auto_model=task.auto_model,
        trust_remote_code=model.trust_remote_code,
    )
    _fits_model(method, task, reference)
    length = min(model.max_length or task.window, reference.max_length)
    full = recipe.model_copy(
        update={
            "data": decided_data,
            "model": model.model_copy(update={"name": reference.name, "max_length": length}),
            "task": task_block,
            "method": method_block,
            "training": training,
            "bundle": str(target),
        }
    )
    trackers = [_made("trackers", block) for block in training.trackers]
    made = Plan(full, data, reference, task, method, strategies, trackers, machine, target, length, checks)
    made.earlier = earlier
    refuse_calibration(made)
    return made


def _prepared(recipe: Recipe, strategies: Sequence[Strategy], earlier: KnownRows | None) -> Prepared:
    """The rows; those that no answer is learned from may have none but the one that rewards read.

    Raises:
        DataError: they cannot be read so either.
    """
    block, options = recipe.data, recipe.task.options
    languages = (options.get("source_language"), options.get("target_language"))
    text, target = (code_of(str(one)) if one else None for one in languages)
    try:
        return prepared(block, recipe.task.name, recipe.training.device, (text, target), _read_by(strategies), earlier)
    except DataError:
        answer = block.columns.get("answer")
        if answer is None or ANSWERS & block.columns.keys() or all(strategy.imitates for strategy in strategies):
            raise
    standing = block.model_copy(update={"columns": {**block.columns, "completion": answer}})
    found = prepared(standing, recipe.task.name, recipe.training.device, reads=_read_by(strategies), stood=earlier)
    found.notes.append(
        f'Conversations without answers: "{answer}" stands in for them. It is not imitated; perplexity and what '
        "compares with a right answer are of it."
    )
    return found


def _decided_data(block: DataBlock, data: Prepared) -> DataBlock:
    """The block with the columns that were taken, and of parts with their tasks."""
    parts = {
        name: part.model_copy(
            update={
                "columns": data.parts[name].columns,
                "task": PluginBlock(name=data.parts[name].task, **part.task.options),
            }
        )
        for name, part in block.parts.items()
    }
    return block.model_copy(update={"columns": data.columns, "parts": parts})


def _task_block(recipe: Recipe, data: Prepared, decided_data: DataBlock) -> PluginBlock:
    options = dict(recipe.task.options)
    if not data.parts:
        return PluginBlock(name=data.task, **options)
    if recipe.task.name not in ("auto", data.task):
        raise RecipeError(
            f"task is {recipe.task.name}, and data.parts asks for several tasks.",
            "Give each part its own: data.parts.NAME.task=TASK.",
        )
    options.pop("parts", None)  # of a recipe that was decided before, they are the same
    return PluginBlock(
        name=data.task, parts={name: part.task.model_dump() for name, part in decided_data.parts.items()}, **options
    )


def place_for(data: str, *, replace: bool = False) -> Path:
    """``out/NAME`` for a data file, numbered where that is taken and not to be replaced."""
    return unnumbered(Path("out", bundle_name(data)), replace=replace)


def bundle_name(data: str) -> str:
    """A folder's name for a data file, a pattern of files or a data set of the hub.

    >>> bundle_name("shop/reviews.csv.gz"), bundle_name("data/*.csv"), bundle_name("me/set#a:b")
    ('reviews', 'data', 'set')
    >>> bundle_name("数据/评论.csv")
    '评论'
    """
    for part in reversed(Path(data.partition("#")[0]).parts):
        name = re.sub(r"[^\w-]+", "-", part.split(".")[0]).strip("-")
        if name:
            return name
    return "bundle"


def _fits(method: Method, task: Task) -> None:
    if task.trained_by and method.name not in task.trained_by:
        raise RecipeError(
            f"method={method.name} cannot tune {task.name}.", f"Use method={' or '.join(task.trained_by)}."
        )
    if method.frozen_backbone and not task.pooled:
        raise RecipeError(
            f"method={method.name} needs a task whose head reads one vector of a text; {task.name} reads tokens.",
            "Use method=freeze to train the upper layers only, or method=lora.",
        )


def _fits_model(method: Method, task: Task, reference: ModelReference) -> None:
    if type(method).fits is Method.fits:
        return
    from tunesmith.models.load import load_config

    if why := method.fits(task, load_config(reference)):
        raise RecipeError(
            f"method={method.name} cannot be used with {task.name} on {reference.name}: {why}.",
            "Use another method: tunesmith plugins methods. lora fits all.",
        )


def _strategies_fit(strategies: Sequence[Strategy], method: Method, task: Task, data: Prepared) -> None:
    for strategy in strategies:
        if why := strategy.fits(task, method):
            raise RecipeError(f'training.strategies: "{strategy.name}" cannot be used here: {why}', "Leave it out.")
        for role in strategy.reads:
            either = role.split("|")
            if not data.columns.keys() & set(either):
                raise RecipeError(
                    f'training.strategies: "{strategy.name}" reads the {" or ".join(either)} of each row, and no '
                    "column is named.",
                    f"Name it: data.{either[0]}=COLUMN",
                )


def _read_by(strategies: Sequence[Strategy]) -> set[str]:
    """Roles that strategies read beside the task's own, or may read."""
    return {role for strategy in strategies for role in strategy.roles}


def _imitated(strategies: Sequence[Strategy]) -> tuple[str, ...]:
    """Parts of the data whose answers are learned, or measured by, as they stand."""
    learned = all(strategy.imitates for strategy in strategies) and DESIRABLE not in _read_by(strategies)
    return ("train", "validation", "test") if learned else ("test",)


def _checks_fit(checks: Sequence[Check], task: Task) -> None:
    for check in checks:
        if why := check.fits(task):
            raise RecipeError(f'evaluation.checks: "{check.name}" cannot be used here: {why}', "Leave it out.")


def _figures_exist(recipe: Recipe, task: Task, data: Prepared, strategies: Sequence[Strategy]) -> None:
    """A gate on a figure, or beside one, that no report will have would fail only after training."""
    names = [name for strategy in strategies for name in strategy.metrics]
    checks, beside = [block.name for block in recipe.evaluation.checks], recipe.evaluation.baselines
    known = figures(task, data.columns, [*names, *checks], before=beside)
    for condition in parse_gate(recipe.evaluation.gate):
        if condition.name not in known:
            raise RecipeError(
                f'evaluation.gate names "{condition.name}", which a report of {task.name} does not have.',
                did_you_mean(condition.name, known),
            )
        if condition.words:
            _measured_beside(condition, recipe, task)


def figures(task: Task, columns: Collection[str], more: Iterable[str] = (), *, before: bool = True) -> list[str]:
    """The names of the figures that a report will have.

    Args:
        columns: roles of the data.
        more: of strategies and checks.
        before: whether the model is measured before it is tuned, too.
    """
    gaps = GAPS if "group" in columns else ()
    pairs = PREFERENCES[: 2 if before else 1] if "rejected" in columns else ()
    return [*task.metrics, *more, *gaps, *pairs]


def _measured_beside(condition: Condition, recipe: Recipe, task: Task) -> None:
    """A gate compares with sides that will be measured."""
    where = f'evaluation.gate.{condition.name} is "{condition.text}"'
    if not recipe.evaluation.baselines:
        raise RecipeError(
            f"{where}, and evaluation.baselines=false measures nothing to compare with.",
            "Leave out evaluation.baselines=false, or compare with a number.",
        )
    if condition.name in {block.name for block in recipe.evaluation.checks}:
        raise RecipeError(f"{where}, and a check is of the tuned model alone.", "Compare with a number.")
    known = [word for word in WORDS if word in ("baseline", "before", *FOR.get(task.name, ()))]
    for word in condition.words:
        if word not in known:
            raise RecipeError(
                f'{where}, and "{word}" is not measured for {task.name}.',
                f"Compare with one of: {', '.join(known)}, or with a number.",
            )


def _made(family_name: str, block: PluginBlock) -> Any:
    return family(family_name).make(block.name, block.options)
