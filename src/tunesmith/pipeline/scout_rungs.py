"""How each kind of candidate is timed on a few rows, and carried out on all."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tunesmith.core.contracts import Evidence, Row
from tunesmith.core.errors import RecipeError
from tunesmith.core.recipe import Recipe
from tunesmith.data.prepare import Prepared
from tunesmith.evaluation.baselines.measured import measured
from tunesmith.pipeline.frozen import on_frozen_backbone
from tunesmith.pipeline.plan import Plan, plan
from tunesmith.pipeline.run import Tried, tried
from tunesmith.pipeline.scout_clock import Clock, Short, whole
from tunesmith.search.ladder import Candidate
from tunesmith.search.space import with_values
from tunesmith.search.zero_shot import label_text, speaks, zero_shot

TIMED_STEPS = 4
"""Steps of training that a cost is judged by; a tenth of all where there are few."""
MANY = 2000
"""Rows from which on a baseline is timed on some of them first."""
SOME = 64
"""Texts that the encoder is timed on."""


@dataclass(frozen=True)
class Done:
    """A candidate's answers, and the seconds that they took: fit and predict, without loading."""

    evidence: Evidence
    seconds: float


@dataclass(frozen=True)
class Field:
    """What all candidates are tried on; ``data.test`` are the rows that they are measured on.

    Args:
        recipe: nested mappings, without method.
        every: rows that a task's labels are learned from, and that a candidate without validation trains on.
    """

    recipe: dict[str, Any]
    data: Prepared
    every: list[Row]

    def planned(self, candidate: Candidate, data: Prepared | None = None, **training: Any) -> Plan:
        """A candidate's plan.

        Raises:
            RecipeError: its method or strategy is not for this task.
        """
        values = with_values(self.recipe, candidate.recipe or {"method.name": "head"})
        if candidate.strategy:
            values = with_values(values, {"training.strategies": [{"name": candidate.strategy}]})
        values = with_values(values, {f"training.{key}": value for key, value in training.items()})
        with tempfile.TemporaryDirectory(prefix="tunesmith-") as scratch:
            made = plan(Recipe.parse({**values, "bundle": str(Path(scratch, "none"))}), data=data or self.data)
        made.task.learn(self.every)
        made.trackers = []
        return made


class BaselineRung:
    """A baseline of the task."""

    def __init__(self, field: Field, name: str, task: Any) -> None:
        self.field, self.name, self.task = field, name, task

    def predict(self) -> float:
        """Seconds, by the cost on some of the rows; 0 where there are few."""
        if len(self.field.every) < MANY:
            return 0.0
        begun = time.monotonic()
        self._on(some(self.field.every, MANY // 2), self.field.data.test[:SOME])
        return (time.monotonic() - begun) * len(self.field.every) / (MANY // 2)

    def run(self) -> Done:
        """On all rows."""
        return self._on(self.field.every, self.field.data.test)

    def _on(self, train: Sequence[Row], test: Sequence[Row]) -> Done:
        found = measured(self.name, self.task, train, test, self.field.data.language)
        return Done(found.evidence, found.seconds_fit + found.seconds_predict)


class ZeroShotRung:
    """The label whose name is nearest."""

    def __init__(self, field: Field, candidate: Candidate) -> None:
        self.field, self.plan = field, field.planned(candidate)
        labels = getattr(self.plan.task, "labels", [])
        if self.plan.task.name != "text-classification":
            raise RecipeError(f"{self.plan.task.name} has no one label a text, whose name could be near it")
        if not speaks(labels):
            raise RecipeError(f"the labels' names say nothing: {', '.join(labels[:3])}")

    def predict(self) -> float:
        """Seconds, by the cost of some texts; the model is loaded here."""
        from tunesmith.models.build import build
        from tunesmith.models.load import load_processor

        self.processor: Any = self.plan.task.adapt(load_processor(self.plan.reference))
        model: Any = build(self.plan.reference, self.plan.task, pooling=self.plan.recipe.model.pooling)
        self.view, head = on_frozen_backbone(self.plan, model.to(self.plan.machine.device), self.processor)
        if head is model:
            raise RecipeError(f"{self.plan.reference.name} makes no vector of a text")
        few = some(self.field.data.test, SOME)
        begun = time.monotonic()
        with self._afresh():
            self._vectors(few)
        return (time.monotonic() - begun) * len(self.field.data.test) / len(few)

    def run(self) -> Done:
        """On all rows."""
        begun = time.monotonic()
        task: Any = self.plan.task
        with self._afresh():
            names = self._vectors([{"text": label_text(label)} for label in task.labels])
            answers = zero_shot(self._vectors(self.field.data.test), names, task.labels)
        return Done(task.evidence(self.field.data.test, answers), time.monotonic() - begun)

    @contextmanager
    def _afresh(self) -> Iterator[None]:
        """Vectors that were computed before would hide what they cost."""
        with tempfile.TemporaryDirectory(prefix="tunesmith-") as scratch:
            self.plan.features = Path(scratch)
            yield

    def _vectors(self, rows: Sequence[Row]) -> np.ndarray:
        """[rows, width]: the mean over a row's windows."""
        features = self.view.encode(rows, self.processor, max_length=self.plan.max_length, targets=False)
        owners = np.array([feature["row"] for feature in features])
        every = np.stack([feature["vector"] for feature in features])
        sums = np.zeros((len(rows), every.shape[1]))
        np.add.at(sums, owners, every)
        return sums / np.bincount(owners, minlength=len(rows))[:, None]


class TrainedRung:
    """A method, or a strategy."""

    def __init__(self, field: Field, candidate: Candidate) -> None:
        self.field, self.candidate, self.plan = field, candidate, field.planned(candidate)

    def predict(self) -> float:
        """Seconds, by some steps of training on some rows and some answers."""
        data, training = self.field.data, self.plan.recipe.training
        epochs, size = float(training.epochs or 1), int(training.batch_size or 16) * int(training.accumulate or 1)
        steps = max(1, min(TIMED_STEPS, round(len(data.train) / size * epochs / 10)))
        few = replace(
            data,
            train=some(data.train, steps * size),
            validation=some(data.validation, max(2, steps * size * len(data.validation) // len(data.train))),
            test=some(data.test, SOME),
        )
        planned, clock = self.field.planned(self.candidate, few, max_steps=None, epochs=1.0), Clock()
        planned.trackers = [clock]
        found = self._tried(planned)
        all_steps = len(data.train) / len(few.train) * found.trained.steps * epochs
        return whole(
            short(found, clock),
            steps=min(all_steps, training.max_steps or all_steps),
            evaluations=epochs * training.evaluations,
            growth=(len(data.train) + len(data.validation)) / (len(few.train) + len(few.validation)),
            measured=len(data.test) / len(few.test),
            features=self.plan.method.frozen_backbone,
        )

    def run(self) -> Done:
        """On all rows."""
        found = self._tried(self.plan)
        if found.evidence is None:
            raise RecipeError("nothing was measured")
        return Done(found.evidence, found.seconds["all"] - found.seconds["build"])

    def _tried(self, planned: Plan) -> Tried:
        begun = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="tunesmith-") as scratch:
            planned.features = Path(scratch, "features")  # what another rung has computed would hide this one's cost
            found = tried(planned, Path(scratch), measure=True)
        found.seconds["all"] = time.monotonic() - begun
        return found


def short(found: Tried, clock: Clock) -> Short:
    """What a trial took, in its parts."""
    spent, evaluation = found.seconds, sum(clock.evaluations)
    beside = spent["all"] - spent["build"] - spent["fit"] - evaluation - spent["predict"]
    step = clock.step(otherwise=spent["fit"] / max(1, found.trained.steps))
    once = evaluation / max(1, len(clock.evaluations))
    return Short(spent["build"], step, once, spent["predict"], max(0.0, beside))


def some(rows: Sequence[Row], most: int) -> list[Row]:
    """At most so many rows, evenly from all."""
    if len(rows) <= most:
        return list(rows)
    return [rows[i * len(rows) // most] for i in range(most)]
