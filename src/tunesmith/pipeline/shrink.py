"""A bundle becomes small and fast, and is proven to answer as its parent does."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tunesmith.bundle.parity import largest_gap
from tunesmith.bundle.read import Bundle, read_bundle
from tunesmith.compression import FORMS
from tunesmith.compression.cuts import CutSpec, parsed
from tunesmith.compression.forms import Form
from tunesmith.compression.pick import TARGETS, Candidate, Target, allowed, words
from tunesmith.core.artefacts import Parity
from tunesmith.core.contracts import Row
from tunesmith.core.errors import ExtraMissing, RecipeError, TunesmithError, did_you_mean
from tunesmith.evaluation.forgetting import before_and_after, forgotten
from tunesmith.evaluation.words import number
from tunesmith.pipeline.members import as_figure, planned, refuse_apart, worth
from tunesmith.pipeline.plan import Plan
from tunesmith.pipeline.shrink_sides import SINGLE, TOGETHER, Answers, Side, Source, agreement, in_torch, seconds
from tunesmith.pipeline.shrink_write import report_of, written

AUTO, TORCH = "auto", "torch"
AGAIN = "Shrink a bundle whose data file is still there, or name where it is now: data.path=FILE"
CHOOSING = 1000
"""Validation rows that choose, at most."""
ALONE = 200
"""Test rows, at most, that are asked one by one, too: what shares a scale with its batch may answer otherwise."""
CUT = "cut-"
"""What the folders of cut models begin with."""
EXACT = 1e-3
"""How far a number may move in a form that only computes in another order."""


@dataclass(frozen=True)
class ShrinkOptions:
    """What is asked.

    Args:
        to: a form's name; "auto" tries all that this machine has and takes the best; "torch" only cuts.
        cuts: ways to make the model itself smaller, ``layers=3,feed_forward=0.5``; "auto" tries each, and none.
        max_loss: of the task's first metric, on rows that nothing was chosen on; more does not ship.
        target: what the best is.
        least_agreement: share of rows that must be answered as before.
        keep_weights: whether the model folder goes along, for transformers.
        test_all: whether every candidate is measured on the test rows, too, once the pick is made: for a table.
    """

    to: str = AUTO
    cuts: Sequence[str] = ()
    max_loss: float = 0.01
    target: Target = "latency"
    least_agreement: float = 0.9
    keep_weights: bool = False
    test_all: bool = False


@dataclass(frozen=True)
class Proof:
    """A candidate on the test rows: held against its parent, its answers, and its figure with an interval."""

    parity: Parity
    answers: Answers
    figure: Mapping[str, float | None]


def shrink(
    bundle: str | Path, overrides: Sequence[str] = (), options: ShrinkOptions | None = None, *, overwrite: bool = False
) -> Bundle:
    """Write a smaller bundle beside the parent.

    A run that died goes on with the models that it has cut.

    Args:
        overrides: of the recipe: ``bundle=out/small``, ``data.path=FILE`` where the file has moved.
        overwrite: write over a bundle of the same name.

    Raises:
        TunesmithError: the data cannot be read again, a package is missing, no candidate holds, or all lose more on
            the test rows than is allowed; nothing is written then.
    """
    asked = options or ShrinkOptions()
    cuts = {text: parsed(text) for text in asked.cuts}
    forms, left_out = _forms(asked, cuts)
    parent = read_bundle(bundle)
    if parent.manifest.runtime.form:
        raise RecipeError(
            f"{parent.path} is shrunk already, to {parent.manifest.runtime.form}.", "Shrink the bundle it came from."
        )
    refuse_apart(parent)
    chosen = len(forms) > 1 or len(cuts) > 1
    plan = planned([parent], overrides, "shrunk", AGAIN, chosen=chosen, replace=overwrite)
    plan.task = parent.task
    with _work_folder(plan.bundle) as work:
        return _Shrinking(parent, plan, asked, work, left_out).go(forms, cuts, list(overrides), overwrite)


@contextmanager
def _work_folder(bundle: Path) -> Iterator[Path]:
    """A hidden folder beside the bundle to be; after a failure, what was cut and trained stays for the next try."""
    work = bundle.parent / f".{bundle.name}.shrink"
    work.mkdir(exist_ok=True)
    try:
        yield work
    except BaseException:
        for path in work.iterdir():
            if not path.name.lstrip(".").startswith(CUT):
                shutil.rmtree(path, ignore_errors=True)
        with suppress(OSError):  # there is something to go on from
            work.rmdir()
        raise
    shutil.rmtree(work, ignore_errors=True)


class _Shrinking:
    """One shrinking; what its stages share."""

    def __init__(
        self, parent: Bundle, plan: Plan, asked: ShrinkOptions, work: Path, left_out: Mapping[str, str]
    ) -> None:
        self.parent, self.plan, self.asked, self.work = parent, plan, asked, work
        self.left_out = dict(left_out)
        # Rows that choose; where nothing is chosen there may be none, and training rows show the speed.
        self.choosing: Sequence[Row] = (plan.data.validation or plan.data.train)[:CHOOSING]
        self._on_test: dict[str, Answers] = {}

    def go(self, forms: Sequence[Form], cuts: Mapping[str, CutSpec], overrides: list[str], overwrite: bool) -> Bundle:
        """Cut, export, make, measure, pick, prove, write."""
        begun = time.monotonic()
        self._stage("cut")
        sources = self._sources(cuts, overrides)
        self._stage("export")
        # The parent is always measured; its own forms only where they may be picked.
        shrunk = sources if self.asked.to == AUTO or not cuts else sources[1:]
        made = [side for source in shrunk for side in self._made(source, forms)] if forms else []
        cut = [source.side for source in sources[1:]]
        self._stage("measure")
        sides = [sources[0].side, *made, *cut]
        measured = self._measured(sides)
        ranked = self._ranked([measured[side.name] for side in (cut if self.asked.to == TORCH else made)])
        candidate, proof, refused = self._pick(ranked, {side.name: side for side in sides}, sources)
        if self.asked.test_all:
            self._stage("test")
            for side in sides:
                found = self._proven(side, sources)
                measured[side.name].test = {**found.figure, **found.parity.to_json()}
        told = [words(candidate, measured[sides[0].name], self.asked.max_loss, self.asked.target)]
        told += [f"{name} does not hold on the test rows: {why}." for name, why in refused.items()]
        facts = {
            "parent": {"path": str(self.parent.path), "seal": self.plan.parent},
            "metric": self.plan.task.metrics[0],
            "rows": {"choosing": len(self.choosing), "test": len(self.plan.data.test)},
            "max_loss": self.asked.max_loss,
            "target": self.asked.target,
            "picked": candidate.name,
            "candidates": [measured[side.name].to_json() for side in sides],
            "left_out": self.left_out,
            "refused": refused,
            "parity": proof.parity.to_json(),
            "words": " ".join(told),
            "seconds": round(time.monotonic() - begun, 1),
        }
        notes = [*told, *(f"{name} was left out: {why}" for name, why in self.left_out.items())]
        picked = next(side for side in sides if side.name == candidate.name)
        report = report_of(self.plan, picked, self._answers(sides[0]), proof.answers, facts, notes)
        keep = self.asked.keep_weights
        return written(self.plan, picked, report, proof.parity, keep_weights=keep, overwrite=overwrite)

    def _ranked(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Those that the rows that choose allow, the best first."""
        if not candidates:
            why = "; ".join(f"{name}: {told}" for name, told in self.left_out.items())
            raise TunesmithError(f"No form could be made: {why}.", "Look into what is missing, or keep the bundle.")
        ranked = allowed(candidates, self.asked.max_loss, self.asked.target)
        if not ranked:
            best = min(candidates, key=lambda c: c.loss)
            raise TunesmithError(
                f"No form keeps to --max-loss {self.asked.max_loss:g}: the truest, {best.name}, loses {best.loss:.4f} "
                f"of {self.plan.task.metrics[0]} on {len(self.choosing)} rows.",
                "Allow more with --max-loss, cut off less, or train longer after it (recover=2 in --cut).",
            )
        return ranked

    def _pick(
        self, ranked: Sequence[Candidate], sides: Mapping[str, Side], sources: Sequence[Source]
    ) -> tuple[Candidate, Proof, dict[str, str]]:
        """The first that holds on the test rows, and why those before it did not."""
        refused: dict[str, str] = {}
        for candidate in ranked:
            self._stage("prove")
            proof = self._proven(sides[candidate.name], sources)
            if proof.parity.passed:
                return candidate, proof, refused
            refused[candidate.name] = _why(proof.parity)
        why = " ".join(f"{name} does not hold on the test rows: {told}." for name, told in refused.items())
        raise TunesmithError(
            f"Nothing ships: {why}", "Allow more with --max-loss or --min-agreement, or keep the bundle."
        )

    def _sources(self, cuts: Mapping[str, CutSpec], overrides: list[str]) -> list[Source]:
        """The parent, and a bundle for each cut; those that an earlier run made are taken again."""
        data = [one for one in overrides if not one.startswith("bundle=")]
        found = [in_torch(self.parent)]
        for text, cut in cuts.items():
            name = hashlib.sha256(f"{text} {data} {self.plan.parent}".encode()).hexdigest()[:8]
            place = self.work / f"{CUT}{name}"
            made = read_bundle(place) if place.is_dir() else _cut(self.parent, [*data, f"bundle={place}"], cut)
            found.append(in_torch(made, text))
        return found

    def _made(self, source: Source, forms: Sequence[Form]) -> list[Side]:
        """Each form's files; in a search, what fails is told of and left out."""
        home = self.work / (hashlib.sha256(source.side.cut.encode()).hexdigest()[:8])
        source.write_graph(self.plan.data.train, self.plan.recipe.training.seed, home)
        found = []
        for done, form in enumerate(forms):
            self._progress(done, len(forms))
            folder = home / form.name
            shutil.rmtree(folder, ignore_errors=True)
            try:
                found.append(source.in_form(form, folder))
            except OSError:
                raise
            except Exception as error:  # a tool's or a runtime's own failure must not end a search
                if len(forms) == 1 and isinstance(error, TunesmithError):
                    raise
                why = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
                if len(forms) == 1:
                    raise TunesmithError(
                        f"The model cannot be brought to {form.name}: {why}", "Take another form: --to auto"
                    ) from error
                self.left_out[source.name_of(form)] = why
        return found

    def _measured(self, sides: Sequence[Side]) -> dict[str, Candidate]:
        """All on the rows that choose; the first is what the others are held against."""
        task, rows = self.plan.task, self.choosing
        one, many = (seconds(sides, rows, size) for size in (SINGLE, TOGETHER))
        answers = {side.name: side.answers(rows, self._progress) for side in sides}
        first = answers[sides[0].name]
        wanted = worth(task, task.evidence(rows, first.predictions))

        def candidate(side: Side) -> Candidate:
            own = answers[side.name]
            found = worth(task, task.evidence(rows, own.predictions))
            return Candidate(
                side.name, as_figure(task, found), wanted - found, agreement(first.predictions, own.predictions),
                largest_gap(first.arrays, own.arrays), side.bytes, one[side.name], many[side.name], side.cut,
            )  # fmt: skip

        return {side.name: candidate(side) for side in sides}

    def _answers(self, side: Side) -> Answers:
        """Of the test rows, computed once."""
        if side.name not in self._on_test:
            self._on_test[side.name] = side.answers(self.plan.data.test, self._progress)
        return self._on_test[side.name]

    def _proven(self, picked: Side, sources: Sequence[Source]) -> Proof:
        """On the test rows, which nothing was chosen on.

        The metric and the answers are held against the parent. The numbers are held against the model that the form
        was made of: what was cut and trained has numbers of its own.
        """
        task, rows = self.plan.task, self.plan.data.test
        before, after = self._answers(sources[0].side), self._answers(picked)
        kept = before_and_after(
            task.evidence(rows, before.predictions), task.evidence(rows, after.predictions), task.metrics[:1]
        )
        loss = forgotten(kept, task.metrics[0])
        whole = self._answers(next(one.side for one in sources if one.side.bundle is picked.bundle))
        gap, same = largest_gap(whole.arrays, after.arrays), agreement(before.predictions, after.predictions)
        # A number may move by what all of them differ by; more is another model, whatever its answers.
        spread = float(np.std(np.concatenate([array.ravel() for array in whole.arrays])))
        tolerance = EXACT if picked.form is None or picked.form.exact else spread
        few = picked.answers(rows[:ALONE], size=SINGLE).predictions
        alone = agreement(before.predictions[: len(few)], few)
        held = loss["value"] is not None and loss["value"] <= self.asked.max_loss
        passed = held and gap <= tolerance and min(same, alone) >= self.asked.least_agreement
        parity = Parity(
            f"shrink to {picked.name}", len(rows), gap, same, tolerance, passed,
            task.metrics[0], loss["value"], loss["low"], loss["high"], self.asked.max_loss, alone,
        )  # fmt: skip
        return Proof(parity, after, kept["after"][task.metrics[0]])

    def _stage(self, name: str) -> None:
        for tracker in self.plan.trackers:
            tracker.stage(name)

    def _progress(self, done: int, total: int) -> None:
        for tracker in self.plan.trackers:
            tracker.progress(done, total)


def _cut(parent: Bundle, overrides: list[str], cut: CutSpec) -> Bundle:
    from tunesmith.pipeline.smaller import smaller

    return smaller(parent.path, overrides, **cut.given())


def _forms(asked: ShrinkOptions, cuts: Mapping[str, CutSpec]) -> tuple[list[Form], dict[str, str]]:
    """The forms to be made; what is missing here, by name, in a search.

    Raises:
        RecipeError: what is asked for does not exist.
        ExtraMissing: a form's package is not installed.
    """
    if asked.target not in TARGETS:
        raise RecipeError(f'--target is "{asked.target}".', f"Take one of: {', '.join(TARGETS)}.")
    if asked.to == TORCH:
        if not cuts:
            raise RecipeError("--to torch only cuts a model, and no cut is named.", "Name one: --cut layers=3")
        return [], {}
    if asked.to != AUTO:
        if asked.to not in FORMS:
            raise RecipeError(f'--to is "{asked.to}", which is no form.', did_you_mean(asked.to, [AUTO, TORCH, *FORMS]))
        form: Form = FORMS.make(asked.to)
        form.check()
        return [form], {}
    found, missing = [], {}
    for name in FORMS:
        form = FORMS.make(name)
        try:
            form.check()
        except ExtraMissing as error:
            missing[name] = f"{error.problem} {error.hint}"
            continue
        if form.helps():
            found.append(form)
    if not found:
        raise ExtraMissing(next(iter(missing.values())), 'Run: pip install "tunesmith[shrink]"')
    return found, missing


def _why(parity: Parity) -> str:
    """What failed, in words."""
    said = []
    if parity.loss is None or parity.loss > (parity.allowed_loss or 0):
        said.append(f"{parity.metric} loses {number(parity.loss)} ({number(parity.allowed_loss)} allowed)")
    if not parity.largest_gap <= parity.tolerance:
        said.append(f"a number moves by {parity.largest_gap:.3g} ({parity.tolerance:.3g} allowed)")
    said.append(f"{parity.agreement:.1%} of the answers are the same, {parity.alone:.1%} asked one by one")
    return ", ".join(said)
