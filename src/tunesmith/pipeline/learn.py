"""Continual learning: a bundle learns new rows and classes, and what it forgets is measured, always."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunesmith.bundle.layout import ADAPTER, MEMBERS, REPORT, ROUTES
from tunesmith.bundle.predictor import Predictor
from tunesmith.bundle.read import Bundle, read_bundle
from tunesmith.bundle.rows import inputs_only
from tunesmith.bundle.shrunk import refuse_shrunk
from tunesmith.bundle.write import unnumbered
from tunesmith.core.contracts import Evidence, Prediction, Row, Task
from tunesmith.core.errors import BundleError, RecipeError, TrainingError
from tunesmith.core.recipe import PluginBlock, Recipe
from tunesmith.core.registry import family, options_of
from tunesmith.evaluation.forgetting import before_and_after, forgetting_words, forgotten, over_known
from tunesmith.evaluation.words import number
from tunesmith.methods.apart import put_back
from tunesmith.models.heads.grow import class_names, keep_rows
from tunesmith.pipeline import inherited
from tunesmith.pipeline.known import divided_as_before, met, overlap
from tunesmith.pipeline.own_file import same_file
from tunesmith.pipeline.plan import Plan
from tunesmith.pipeline.protected import Protected, as_recipe, protected, weights_of
from tunesmith.pipeline.run import Addition, Run, run
from tunesmith.pipeline.trained_on import class_counts
from tunesmith.tasks.grown import grown
from tunesmith.tasks.likelihood import Likelihood
from tunesmith.tasks.text_classification import TextClassification

DEFAULT = "replay"
"""The strategy where none is named and the protected rows are there to be replayed."""
REFUSED = {
    "mixture": "its parts have heads of their own; tune it again with data.parts",
    "text-regression": "its numbers were scaled by the rows that it was tuned on; tune it again on all rows",
    "entities-and-relations": "its two heads grow together; tune it again on all rows",
}
"""Tasks that cannot learn on, and why."""


@dataclass(frozen=True)
class LearnOptions:
    """What is asked of a bundle that learns on.

    Args:
        protect: file of rows that must not be forgotten.
        strategies: names; None: replay.
        max_forgetting: of the primary metric on the protected rows; more does not ship. None: measured only.
        apart: leave the bundle's weights alone: the new rows get an adapter of their own, and a router chooses.
    """

    protect: str
    strategies: Sequence[str] | None = None
    max_forgetting: float | None = None
    apart: bool = False


def learn(
    bundle: str | Path, file: str, overrides: Sequence[str], options: LearnOptions, *, overwrite: bool = False,
    fresh: bool = False,
) -> Bundle:  # fmt: skip
    """Learn a file's rows, from a bundle's own weights, head included.

    Args:
        file: the new rows; labels that the bundle does not know become new classes.
        overrides: of the recipe: ``training.epochs=2``.
        overwrite: write over a bundle of the same name.
        fresh: forget what an unfinished run left.

    Raises:
        TunesmithError: something does not fit, before anything heavy; or more is forgotten than is allowed.
    """
    parent = read_bundle(bundle)
    refuse_task(parent)
    refuse_shrunk(parent)
    if options.apart:
        from tunesmith.pipeline.learn_apart import learn_apart

        return learn_apart(parent, file, overrides, options, overwrite=overwrite, fresh=fresh)
    _can_learn(parent)
    recipe = as_recipe(parent, file, list(overrides), str(sibling(parent.path, replace=overwrite)))
    recipe = _with_strategies(recipe, parent, options)
    inherited.refuse_less_private(parent, recipe)
    old = protected(parent, options.protect)
    planned = divided_as_before(recipe, met(parent, old), overwrite)
    go_on_from(planned, parent, old)
    addition = Learned(planned, parent, old, options.max_forgetting)
    kind: Callable[[Plan, Path, Addition], Run] = Run
    if weights_of(parent) != parent.path:
        _same_method(planned, parent)
        kind = addition.beside_base
    return run(planned, replace=overwrite, fresh=fresh, addition=addition, kind=kind)


def sibling(path: Path, *, replace: bool = False) -> Path:
    """``NAME-2`` beside a bundle, or unless that is to be replaced the first number that is free."""
    return unnumbered(path, 2, replace=replace)


def refuse_task(parent: Bundle) -> None:
    """Raise RecipeError where the bundle's task cannot learn on."""
    name = parent.manifest.task.name
    if name in REFUSED:
        raise RecipeError(f"A bundle of {name} cannot learn on: {REFUSED[name]}.", "See docs/continual.md.")


def _can_learn(parent: Bundle) -> None:
    if (parent.path / ROUTES).is_dir():
        raise BundleError(
            f"{parent.path} has an adapter for each task that it learned; they learn on apart.",
            f"Run: tunesmith learn {parent.path} FILE --protect OLD --apart",
        )
    if (parent.path / MEMBERS).is_dir():
        raise BundleError(f"{parent.path} is an ensemble: it has no weights of its own.", "Learn from its members.")


def _same_method(planned: Plan, parent: Bundle) -> None:
    """What was trained beside a base goes on being trained; another method would begin without it."""
    record = parent.manifest.method
    if (planned.method.name, planned.recipe.method.options) != (record.name, record.options):
        raise RecipeError(
            f"{parent.path} keeps what method={record.name} trained apart from its base, and method="
            f"{planned.method.name} would begin without it.",
            "Learn on by the bundle's own method and options: leave method out.",
        )


def _with_strategies(recipe: Recipe, parent: Bundle, options: LearnOptions) -> Recipe:
    """The named strategies among the recipe's own, with the rows to protect or the bundle to stay near to."""
    known, own = family("strategies"), [block.name for block in recipe.training.strategies]
    wanted = options.strategies
    if wanted is None:
        wanted = [DEFAULT] if DEFAULT in known and not own else []
    blocks = list(recipe.training.strategies)
    for name in wanted:
        kind: Any = known.load(name)
        fields = options_of(kind).model_fields
        extra = {"path": options.protect} if kind.protects else {}
        frozen = family("methods").load(recipe.method.name).frozen_backbone
        if "before" in fields and not frozen:
            extra = {"before": str(parent.path)}
        blocks.append(PluginBlock(name=name, **extra))
    return recipe.model_copy(update={"training": recipe.training.model_copy(update={"strategies": blocks})})


def go_on_from(planned: Plan, parent: Bundle, old: Protected, *, mixed: bool = True) -> None:
    """Make a plan one that goes on from the bundle.

    Args:
        mixed: whether old rows stand beside the new ones where the best weights are chosen.
    """
    planned.parent = str(parent.manifest.to_json()["seal"])
    planned.task.restore(grown(parent.task.state, planned.task.state))
    data = planned.data
    shared = overlap(planned, old)
    data.validation = [*data.validation, *(old.validation if mixed else [])]
    data.fingerprints = {**data.fingerprints, "protected": old.fingerprints}
    data.notes += [*shared, old.note, *inherited.left_out(parent, planned.recipe)]
    for strategy in planned.strategies:
        if strategy.protects and same_file(getattr(strategy, "path", ""), old.path):
            # Only what is not measured on; the recipe names the file, not its rows.
            vars(strategy).update(path="", rows=[dict(row) for row in old.memory])
        if hasattr(strategy, "known"):
            vars(strategy).update(known=len(getattr(parent.task, "labels", [])))
    if isinstance(planned.task, TextClassification):
        planned.task.weigh(class_counts(data.train, planned.strategies))


def allowed(fall: float, most: float) -> bool:
    """Whether a fall is small enough; one that is not defined proves nothing.

    >>> allowed(0.01, 0.02), allowed(float("nan"), 0.02)
    (True, False)
    """
    return math.isfinite(fall) and fall <= most


class Learned(Addition):
    """The parent's head at the start; at the end, what was forgotten."""

    def __init__(self, planned: Plan, parent: Bundle, old: Protected, most: float | None) -> None:
        self.plan, self.parent, self.old, self.most = planned, parent, old, most

    def beside_base(self, planned: Plan, folder: Path, addition: Addition) -> Run:
        """A run that goes on with what the parent's method trained beside its base."""
        return _BesideBase(planned, folder, addition, str(self.parent.path / ADAPTER))

    def built(self, model: Any) -> None:
        """Keep the head's rows of the old classes."""
        if hasattr(model.config, "id2label") and class_names(weights_of(self.parent)):
            keep_rows(model, weights_of(self.parent))

    def proven(self, predictor: Predictor, report: dict[str, Any], folder: Path) -> None:
        """Measure what was forgotten; too much does not ship."""
        report["forgetting"] = self.measured(predictor)
        if self.most is not None and not allowed(report["forgetting"]["forgetting"]["value"], self.most):
            (folder / REPORT).write_text(json.dumps(report, ensure_ascii=False, indent=1), "utf-8")
            raise TrainingError(
                f"More is forgotten than --max-forgetting {self.most:g} allows, so no bundle is written: "
                f"{report['forgetting']['words']}",
                f"The report is {folder / REPORT}. Try --strategy replay --strategy ewc, fewer epochs, a smaller rate.",
            )

    def usual(self) -> Sequence[Row]:
        """It goes on being asked what it was asked before."""
        return self.old.measured

    def measured(self, predictor: Predictor) -> dict[str, Any]:
        """The old bundle and the new one on protected rows, and on new ones."""
        task, known = self.plan.task, len(getattr(self.parent.task, "labels", []))
        earlier = self.parent.predictor(device=self.plan.machine.device)
        options = self.plan.recipe.evaluation.model_dump(include={"resamples", "confidence"})

        def sides(rows: Sequence[Row]) -> tuple[Evidence, Evidence]:
            return evidence_of(self.parent.task, earlier, task, rows), evidence_of(task, predictor, task, rows)

        before, after = sides(self.old.measured)
        kept = before_and_after(
            over_known(before, range(known)), over_known(after, range(known)), task.metrics, **options
        )
        before, after = sides(self.plan.data.test)
        gained = before_and_after(before, after, task.metrics, **options)
        metric = next(iter(kept["compared"]))
        new = gained["compared"][task.metrics[0]]
        words = (
            f"{forgetting_words(kept, metric)} On {gained['rows']:,} new test rows {task.metrics[0]} was "
            f"{number(new['second_value'])} and is {number(new['first_value'])}."
        )
        return {
            "parent": {"path": str(self.parent.path), "seal": self.plan.parent},
            "strategies": [strategy.name for strategy in self.plan.strategies],
            "new_classes": list(getattr(task, "labels", []))[known:],
            "forgetting": forgotten(kept, metric),
            "max_forgetting": self.most,
            "protected": kept,
            "new": gained,
            "note": self.old.note,
            "words": words,
        }


class _BesideBase(Run):
    """A run whose model has the parent's prefix or adapter from the start, so that "before" has it, too."""

    def __init__(self, planned: Plan, folder: Path, addition: Addition, adapter: str) -> None:
        super().__init__(planned, folder, addition)
        self._adapted = put_back(super().adapted(), adapter)

    def adapted(self) -> Any:
        """As it was put back."""
        return self._adapted


def evidence_of(own: Task, predictor: Predictor, task: Task, rows: Sequence[Row]) -> Evidence:
    """What a bundle's answers to rows are worth, as a task that knows its classes and perhaps more judges them.

    Args:
        own: the bundle's task.
        predictor: the bundle's.
        task: who judges.
    """
    if isinstance(own, Likelihood):  # how likely the rows' own answers are says more than what is written
        return own.measure(predictor, rows)[1]
    return task.evidence(rows, [padded(answer, task) for answer in predictor.predict(inputs_only(task, rows))])


def padded(answer: Prediction, task: Task) -> Prediction:
    """An earlier bundle's answer with a score of 0 for the classes that it did not know."""
    scores = answer.get("scores")
    if not isinstance(scores, dict):
        return answer
    return {**answer, "scores": {label: scores.get(label, 0.0) for label in getattr(task, "labels", scores)}}
