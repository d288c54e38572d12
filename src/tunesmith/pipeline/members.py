"""Bundles that become one: what they must have in common, and the run that proves what is made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tunesmith.bundle.layout import WEIGHTS
from tunesmith.bundle.read import Bundle, read_bundle
from tunesmith.bundle.shrunk import refuse_shrunk
from tunesmith.bundle.write import unnumbered
from tunesmith.core.contracts import Evidence, Task
from tunesmith.core.errors import BundleError, RecipeError
from tunesmith.core.recipe import PluginBlock, Recipe
from tunesmith.evaluation.metrics import METRICS
from tunesmith.pipeline.inherited import evaluation, unheld
from tunesmith.pipeline.known import divided_as_before, known_by
from tunesmith.pipeline.plan import Plan
from tunesmith.pipeline.trained_on import class_counts
from tunesmith.tasks.grown import uncalibrated
from tunesmith.tasks.text_classification import TextClassification

Same = Mapping[str, Callable[[Bundle], Any]]
"""What members must have in common, in words -> how it is read."""


def task_of(bundle: Bundle) -> Any:
    """What a bundle answers, and of how much text at once."""
    record = bundle.manifest.task
    return record.name, record.state.get("labels"), bundle.manifest.max_length, bundle.manifest.pooling


def tokenizer_of(bundle: Bundle) -> Any:
    """Its pieces."""
    return bundle.tokenizer.get_vocab()


def members_of(bundles: Sequence[str | Path], what: str, same: Same, hint: str) -> list[Bundle]:
    """Read bundles that belong together.

    Args:
        what: is made of them: "soup", "ensemble".
        hint: what to do where they do not belong together.

    Raises:
        TunesmithError: fewer than two, one that keeps its base apart, or they differ.
    """
    members = [read_bundle(path) for path in bundles]
    if len(members) < 2:
        raise RecipeError(
            f"{what.capitalize()}s are of two bundles or more.", f"tunesmith {what} out/a out/b bundle=out/{what}"
        )
    first = members[0]
    if first.manifest.task.name == "mixture":
        raise RecipeError(f"No {what} is made of mixtures: their parts have heads of their own.", hint)
    for member in members:
        refuse_apart(member)
        for words, of in same.items():
            if of(member) != of(first):
                raise BundleError(f"{member.path} and {first.path} differ in their {words}.", hint)
    return members


def refuse_apart(member: Bundle) -> None:
    """Raise ``BundleError`` unless the bundle's model is one plain folder."""
    refuse_shrunk(member)
    if not (member.path / WEIGHTS).is_file():
        raise BundleError(
            f"{member.path} has no {WEIGHTS}: its method ({member.manifest.method.name}) keeps the base apart.",
            "Take bundles whose method is merged: full, freeze, head, lora ...",
        )


def planned(
    members: Sequence[Bundle],
    overrides: Sequence[str],
    what: str,
    hint: str,
    *,
    chosen: bool,
    replace: bool,
    training: Mapping[str, Any] | None = None,
) -> Plan:
    """The first member's plan for what is made of all.

    Args:
        overrides: of the recipe: ``bundle=out/soup``, ``data.path=FILE`` where the file has moved.
        chosen: whether validation rows are needed, to choose on.
        training: what the recipe's training block has instead of the first member's; None: nothing is trained.

    Raises:
        TunesmithError: the data cannot be read again, or are not what the members were tuned on.
    """
    first = members[0]
    values = {**first.manifest.recipe, "model": {**first.manifest.recipe["model"], "name": str(first.path)}}
    values = {**values, "training": {**values["training"], "strategies": [], **(training or {})}}
    values = {**values, "evaluation": evaluation(first, first.recipe.data.columns)}
    if any(one.partition("=")[0] == "training.batch_size" for one in overrides):  # a new batch is that of a step
        values["training"]["accumulate"] = None
    recipe = Recipe.parse({**values, "bundle": str(unnumbered(first.path.with_name(what)))}, overrides)
    block = recipe.training if training else recipe.training.model_copy(update={"strategies": []})
    earlier = known_by(first, only_earlier=True)  # what kept rows in their parts then does so again
    full = recipe.model_copy(update={"method": PluginBlock(name="full"), "training": block})
    made = divided_as_before(full, earlier, replace)
    _of_the_same_rows(members, made, hint)
    if chosen and not made.data.validation:
        raise RecipeError(f"The {what} is chosen on validation rows, and there are none.", "Take all members alike.")
    made.data.notes += unheld(first, recipe.evaluation.gate)
    made.parent = str(first.manifest.to_json()["seal"])
    # What it knows, in its own order: a bundle that learned on has more classes than this file, the newest last.
    made.task.restore(uncalibrated(first.task.state))
    if isinstance(made.task, TextClassification):
        made.task.weigh(class_counts(made.data.train, made.strategies))
    return made


def worth(task: Task, evidence: Evidence) -> float:
    """The task's first metric, higher being better; what is not defined is worst."""
    found = as_figure(task, float(METRICS.load(task.metrics[0])()(evidence)))
    return found if found == found else float("-inf")


def as_figure(task: Task, found: float, metric: str = "") -> float:
    """A worth as the metric itself, and back.

    Args:
        metric: "" is the task's first.
    """
    return found if METRICS.load(metric or task.metrics[0]).higher_is_better else -found


def told(member: Bundle) -> dict[str, Any]:
    """Which one it is, for a report."""
    return {"path": str(member.path), "seal": member.manifest.to_json()["seal"]}


def _of_the_same_rows(members: Sequence[Bundle], made: Plan, hint: str) -> None:
    """Rows that one member learned from must be no other's test rows."""
    for member in members:
        for part in ("train", "validation", "test"):
            then, now = member.manifest.data.get(part), made.data.fingerprints[part]
            if then is None or then["sha256"] != now["sha256"]:
                raise BundleError(
                    f"{member.path} was not tuned on the {part} rows that {made.recipe.data.path} gives now.", hint
                )
