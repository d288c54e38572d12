"""Learning apart: a bundle's weights stay as they are, new rows get an adapter of their own, and a router chooses.

Nothing is forgotten but by texts that are given to the wrong adapter, and how many these are is measured.
"""

from __future__ import annotations

import shutil
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

from tunesmith.bundle.layout import MEMBERS, ROUTES, WEIGHTS
from tunesmith.bundle.predictor import Predictor
from tunesmith.bundle.read import Bundle
from tunesmith.bundle.runtimes.torch import TorchRuntime, load_model
from tunesmith.core.contracts import Method, Row
from tunesmith.core.errors import BundleError, RecipeError
from tunesmith.core.recipe import Recipe
from tunesmith.evaluation.words import number
from tunesmith.methods.beside import ADDS, DEFAULT, changes_base
from tunesmith.methods.beside import read as read_adapter
from tunesmith.methods.beside import write as write_adapter
from tunesmith.models.heads import mean
from tunesmith.models.routed import Looking, Routed
from tunesmith.models.router import Router, Seen, also, seen
from tunesmith.pipeline.inherited import of_any_method, refuse_less_private
from tunesmith.pipeline.known import divided_as_before, met
from tunesmith.pipeline.learn import Learned, LearnOptions, go_on_from, sibling
from tunesmith.pipeline.plan import Plan
from tunesmith.pipeline.protected import Protected, as_recipe, protected
from tunesmith.pipeline.run import Addition, Run, run
from tunesmith.training.loop import Trained

TASKS = ("text-classification", "multi-label-classification")
"""One answer a text, over classes: what a text's adapter does not know has a probability of 0."""


def learn_apart(
    parent: Bundle, file: str, overrides: Sequence[str], options: LearnOptions, *, overwrite: bool, fresh: bool
) -> Bundle:
    """Learn a file's rows by an adapter beside what the bundle has.

    Raises:
        TunesmithError: something does not fit, before anything heavy; or more is forgotten than is allowed.
    """
    _can_learn_apart(parent, options)
    recipe = _recipe(parent, file, list(overrides), overwrite)
    refuse_less_private(parent, recipe)
    old = protected(parent, options.protect)
    planned = divided_as_before(recipe, met(parent, old), overwrite)
    _adds(planned.method)
    go_on_from(planned, parent, old, mixed=False)
    planned.data.fingerprints["apart"] = True  # an unfinished run without --apart is another one
    addition = _LearnedApart(planned, parent, old, options.max_forgetting)
    return run(planned, replace=overwrite, fresh=fresh, addition=addition, kind=addition.run)


def _can_learn_apart(parent: Bundle, options: LearnOptions) -> None:
    name = parent.manifest.task.name
    if name not in TASKS:
        raise RecipeError(
            f"A bundle of {name} cannot learn apart: texts are given to adapters, and each gives one answer over "
            f"classes. These can: {', '.join(TASKS)}.",
            "Learn without --apart, with --strategy replay.",
        )
    if options.strategies:
        raise RecipeError(
            f"--strategy {options.strategies[0]} beside --apart: the old weights do not move, so nothing has to be "
            "protected by a strategy.",
            "Give one of them.",
        )
    if (parent.path / MEMBERS).is_dir():
        raise BundleError(f"{parent.path} is an ensemble: it has no one backbone.", "Learn from one of its members.")
    if not (parent.path / ROUTES).is_dir() and not (parent.path / WEIGHTS).is_file():
        raise BundleError(
            f"{parent.path} has no {WEIGHTS}: its method ({parent.manifest.method.name}) keeps the base apart.",
            "Learn apart from a bundle whose method is merged: full, freeze, head, lora ...",
        )


def _recipe(parent: Bundle, file: str, overrides: list[str], overwrite: bool) -> Recipe:
    """As the last adapter was made; the first one by lora, with its own settings and not those of the bundle."""
    place = str(sibling(parent.path, replace=overwrite))
    if (parent.path / ROUTES).is_dir():
        return as_recipe(parent, file, overrides, place)
    return as_recipe(parent, file, overrides, place, method=DEFAULT, training=of_any_method(parent))


def _adds(method: Method) -> None:
    if why := changes_base(method):
        raise RecipeError(f"method={method.name} cannot learn apart: {why}.", f"Methods that can: {', '.join(ADDS)}.")


class _LearnedApart(Learned):
    """At the end, how often the router was right, beside what was forgotten."""

    def run(self, planned: Plan, folder: Path, addition: Addition) -> Run:
        """The run that trains an adapter."""
        self._run = _ApartRun(planned, folder, addition, self.parent, self.old)
        return self._run

    def proven(self, predictor: Predictor, report: dict[str, Any], folder: Path) -> None:
        """Measure the router, and what was forgotten."""
        self.routing = self._run.routing(self.old.measured)
        super().proven(predictor, report, folder)

    def measured(self, predictor: Predictor) -> dict[str, Any]:
        """With the router's share of right choices, which is what is forgotten by."""
        found = super().measured(predictor)
        return {**found, "routing": self.routing, "words": f"{found['words']} {self.routing['words']}"}


class _ApartRun(Run):
    """A run that trains an adapter on new rows, and puts it beside what the parent has."""

    def __init__(self, planned: Plan, folder: Path, addition: Addition, parent: Bundle, old: Protected) -> None:
        super().__init__(planned, folder, addition)
        self.parent, self.old = parent, old

    def tuned(self) -> tuple[dict[str, int], Trained, bool]:
        """Train the adapter, and the router with it; the parent's weights are read again from its bundle."""
        plan, task = self.plan, self.plan.task
        adapted = self.adapted()
        counts = {"all": _count(adapted.parameters()), "trained": _count(_trained(adapted))}
        trained = self.stage("train", lambda: self._train(adapted))
        task.finish(adapted)
        place = self.folder / ROUTES
        shutil.rmtree(place, ignore_errors=True)
        record = {"name": plan.method.name, "options": plan.recipe.method.options}
        write_adapter(adapted, place, record, task.state["labels"])
        self.task = task
        self.model = self.computing = self.stage("route", lambda: self._routed(place))
        return counts, trained, False

    def _routed(self, place: Path) -> Routed:
        """The parent's model with the adapter that was written."""
        found = load_model(self.parent)
        before = found if isinstance(found, Routed) else None
        base, adapters = (before.looking.base, list(before.adapters)) if before else (found, [])
        adapters.append(read_adapter(base, place, self.plan.task))
        looking = Looking(base).to(self.plan.machine.device).eval()
        known = before.router.known if before else self._seen(looking, self.old.memory, 0)
        known = also(known, self._seen(looking, self.plan.data.train, len(adapters)))
        self._was = before.router if before else None
        return Routed(base, adapters, Router(known)).to(self.plan.machine.device).eval()

    def _seen(self, looking: Looking, rows: Sequence[Row], route: int) -> Seen:
        vectors, places = self._vectors(looking, rows)
        return seen(vectors, [class_of(rows[place]) for place in places], route)

    def _vectors(self, looking: Looking, rows: Sequence[Row]) -> tuple[Any, list[int]]:
        """The router's vectors, [features, width], and the row of each."""
        import numpy as np
        import torch

        features = self.plan.task.encode(rows, self.processor, max_length=self.plan.max_length, targets=False)
        predictor = Predictor(self.plan.task, self.processor, TorchRuntime(looking), max_length=self.plan.max_length)
        with mean.shortened(looking):
            arrays = predictor.infer(features)
        return torch.from_numpy(np.stack(arrays)), [feature["row"] for feature in features]

    def routing(self, old: Sequence[Row]) -> dict[str, Any]:
        """Shares of rows that went where they belong: old ones as before, new ones to the new adapter."""
        new = len(self.model.adapters)
        shares = {}
        for name, rows in (("protected", old), ("new", self.plan.data.test)):
            vectors, _ = self._vectors(self.model.looking, rows)
            chosen = self.model.router.cpu()(vectors)
            if name == "new":
                right = chosen == new
            else:
                right = chosen == (self._was.cpu()(vectors) if self._was is not None else 0)
            shares[name] = {"rows": len(rows), "right": float(right.double().mean())}
        self.model.router.to(self.plan.machine.device)
        words = (
            f"Of {new + 1} adapters the router gives {number(shares['protected']['right'])} of the protected rows to "
            f"the one that had them, and {number(shares['new']['right'])} of the new test rows to the new one."
        )
        return {"adapters": new + 1, **shares, "words": words}


def class_of(row: Row) -> Hashable:
    """The class around whose mean a row lies; the same for all rows where a row has several."""
    label = row.get("label")
    return label if isinstance(label, str) else ""


def _trained(model: Any) -> list[Any]:
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def _count(parameters: Any) -> int:
    return sum(parameter.numel() for parameter in parameters)
