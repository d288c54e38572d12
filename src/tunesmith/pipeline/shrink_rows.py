"""Shrinking what answers row by row: candidates are held to their parent by the task's first metric."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from tunesmith.bundle.parity import largest_gap
from tunesmith.bundle.read import Bundle, read_bundle
from tunesmith.compression.cuts import CutSpec
from tunesmith.compression.forms import Form
from tunesmith.compression.pick import ROWS, Candidate, Units, within
from tunesmith.core.artefacts import Parity
from tunesmith.core.contracts import Evidence, Row, Task
from tunesmith.evaluation.forgetting import before_and_after, forgotten
from tunesmith.pipeline.draw import drawn, places
from tunesmith.pipeline.members import as_figure, worth
from tunesmith.pipeline.plan import Plan
from tunesmith.pipeline.save import proof_rows
from tunesmith.pipeline.shrink_options import AUTO, ShrinkOptions
from tunesmith.pipeline.shrink_sides import (
    SINGLE,
    TOGETHER,
    Answers,
    Made,
    Proof,
    Side,
    Source,
    agreement,
    in_forms,
    in_torch,
    seconds,
)

CHOOSING = 1000
"""Validation rows that choose, at most."""
ALONE = 200
"""Test rows, at most, that are asked one by one, too: what shares a scale with its batch may answer otherwise."""
CUT = "cut-"
"""What the folders of cut models begin with."""
EXACT = 1e-3
"""How far a number may move in a form that only computes in another order."""


class OnRows:
    """A ``Kind``.

    Args:
        parent: what is shrunk.
        plan: of the parent's own rows.
        asked: the options.
        work: a folder for what is made.
    """

    units: ClassVar[Units] = ROWS
    allow_more: ClassVar[str] = (
        "Allow more with --max-loss, cut off less, or train longer after it (recover=2 in --cut)."
    )

    def __init__(self, parent: Bundle, plan: Plan, asked: ShrinkOptions, work: Path) -> None:
        self.parent, self.plan, self.asked, self.work = parent, plan, asked, work
        self.metric, self.metrics = plan.task.metrics[0], plan.task.metrics
        # Rows that choose; where nothing is chosen there may be none, and training rows show the speed.
        self.choosing: Sequence[Row] = drawn(plan.data.validation or plan.data.train, CHOOSING)
        self.test: Sequence[Row] = plan.data.test
        self._sources: list[Source] = []
        self._on_test: dict[str, Answers] = {}

    @property
    def rows(self) -> dict[str, int]:
        """How many choose, and how many prove."""
        return {"choosing": len(self.choosing), "test": len(self.test)}

    def made(
        self, forms: Sequence[Form], cuts: Mapping[str, CutSpec], overrides: Sequence[str], left_out: dict[str, str]
    ) -> Made:
        """Cut, export, and make each form."""
        self.plan.stage("cut")
        sources = self._sources = self._cut(cuts, overrides)
        self.plan.stage("export")
        # The parent is always measured; its own forms only where they may be picked.
        shrunk = sources if self.asked.to == AUTO or not cuts else sources[1:]
        found = [side for source in shrunk for side in self._in_forms(source, forms, left_out)] if forms else []
        return Made(sources[0].side, found, [source.side for source in sources[1:]])

    def _cut(self, cuts: Mapping[str, CutSpec], overrides: Sequence[str]) -> list[Source]:
        """The parent, and a bundle for each cut; those that an earlier run made are taken again."""
        data = [one for one in overrides if not one.startswith("bundle=")]
        found = [in_torch(self.parent)]
        for text, cut in cuts.items():
            name = hashlib.sha256(f"{text} {data} {self.plan.parent}".encode()).hexdigest()[:8]
            place = self.work / f"{CUT}{name}"
            made = read_bundle(place) if place.is_dir() else _cut(self.parent, [*data, f"bundle={place}"], cut)
            found.append(in_torch(made, text))
        return found

    def _in_forms(self, source: Source, forms: Sequence[Form], left_out: dict[str, str]) -> list[Side]:
        home = self.work / (hashlib.sha256(f"{source.side.cut} {self.plan.parent}".encode()).hexdigest()[:8])
        source.write_graph(self.plan.data.train, self.plan.recipe.training.seed, home)
        return in_forms(forms, home, source.in_form, source.name_of, left_out, self.plan.progress)

    def measured(self, sides: Sequence[Side]) -> dict[str, Candidate]:
        """All on the rows that choose; the first is what the others are held against."""
        task, rows = self.plan.task, self.choosing
        one, many = (seconds(sides, rows, size) for size in (SINGLE, TOGETHER))
        answers = {side.name: side.answers(rows, self.plan.progress) for side in sides}
        first = answers[sides[0].name]
        wanted = worth(task, task.evidence(rows, first.predictions))

        def candidate(side: Side) -> Candidate:
            own = answers[side.name]
            found = worth(task, task.evidence(rows, own.predictions))
            return Candidate(
                side.name, as_figure(task, found), wanted - found, self._agreement(first, own),
                gap_of(task, first, own), side.bytes, one[side.name], many[side.name], side.cut,
            )  # fmt: skip

        return {side.name: candidate(side) for side in sides}

    def remarks(self, candidates: Sequence[Candidate], picked: Candidate) -> list[str]:
        """Nothing."""
        return []

    def proven(self, side: Side) -> Proof:
        """On the test rows, which nothing was chosen on.

        The metric and the answers are held against the parent. The numbers are held against the model that the form
        was made of: what was cut and trained has numbers of its own. Where answers are numbers, those of rows that are
        asked one by one are held to it, too.
        """
        task, rows = self.plan.task, self.test
        before, after = self._answers(self._sources[0].side), self._answers(side)
        evidence = task.evidence(rows, after.predictions)
        kept = before_and_after(task.evidence(rows, before.predictions), evidence, task.metrics[:1])
        loss = forgotten(kept, task.metrics[0])
        source = next(one.side for one in self._sources if one.side.bundle is side.bundle)
        whole = self._answers(source)
        gap, same = gap_of(task, whole, after), self._agreement(before, after)
        # A number may move by what all of them differ by; more is another model, whatever its answers.
        spread = float(np.std(np.concatenate([array.ravel() for array, _ in _beside(task, whole, whole)])))
        tolerance = EXACT if side.form is None or side.form.exact else spread
        few = places(len(rows), ALONE)
        some = [rows[i] for i in few]
        apart, alone = side.answers(some, size=SINGLE), None
        if same is None:
            gap = max(gap, gap_of(task, source.answers(some), apart))
        else:
            alone = agreement([before.predictions[i] for i in few], apart.predictions)
        held = within(loss["value"], self.asked.max_loss)
        least = min(one for one in (1.0, same, alone) if one is not None)
        passed = held and gap <= tolerance and least >= self.asked.least_agreement
        parity = Parity(
            f"shrink to {side.name}", len(rows), gap, same, tolerance, passed,
            task.metrics[0], loss["value"], loss["low"], loss["high"], self.asked.max_loss, alone,
        )  # fmt: skip
        return Proof(parity, evidence, kept["after"][task.metrics[0]])

    def _agreement(self, one: Answers, other: Answers) -> float | None:
        """Share of rows with the same answer; None where answers are numbers or vectors: there is nothing to count."""
        return agreement(one.predictions, other.predictions) if self.plan.task.decides else None

    def parents_evidence(self) -> Evidence:
        """Of the test rows."""
        return self.plan.task.evidence(self.test, self._answers(self._sources[0].side).predictions)

    def proof_rows(self) -> list[dict[str, Any]]:
        """Rows that a fresh process must answer alike."""
        return proof_rows(self.plan)

    def _answers(self, side: Side) -> Answers:
        """Of the test rows, computed once."""
        if side.name not in self._on_test:
            self._on_test[side.name] = side.answers(self.test, self.plan.progress)
        return self._on_test[side.name]


def gap_of(task: Task, one: Answers, other: Answers) -> float:
    """The largest difference of any number of what is comparable; infinite where features or shapes differ."""
    if len(one.arrays) != len(other.arrays):
        return math.inf
    pairs = _beside(task, one, other)
    return largest_gap([before for before, _ in pairs], [after for _, after in pairs])


def _beside(task: Task, one: Answers, other: Answers) -> list[tuple[np.ndarray, np.ndarray]]:
    given = zip(one.arrays, other.arrays, one.features, strict=True)
    return [task.comparable(before, after, feature) for before, after, feature in given]


def _cut(parent: Bundle, overrides: list[str], cut: CutSpec) -> Bundle:
    from tunesmith.pipeline.smaller import smaller

    return smaller(parent.path, overrides, **cut.given())
