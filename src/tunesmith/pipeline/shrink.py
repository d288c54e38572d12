"""A bundle becomes small and fast, and is proven to answer as its parent does."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tunesmith.bundle.read import Bundle, read_bundle
from tunesmith.compression import FORMS, WRITER_FORMS
from tunesmith.compression.cuts import CutSpec, parsed
from tunesmith.compression.forms import Form
from tunesmith.compression.pick import Candidate, allowed, same_of, within, words
from tunesmith.core.artefacts import Parity
from tunesmith.core.errors import RecipeError, TunesmithError
from tunesmith.core.runtime import resolve
from tunesmith.evaluation.gate import GateResult
from tunesmith.evaluation.words import number
from tunesmith.pipeline.inherited import PRIVATE, private, refuse_reading_again, unheld
from tunesmith.pipeline.members import planned, refuse_apart
from tunesmith.pipeline.plan import Plan
from tunesmith.pipeline.shrink_files import refuse_files, refuse_formless
from tunesmith.pipeline.shrink_gate import failed, held
from tunesmith.pipeline.shrink_options import TORCH, ShrinkOptions, forms_of, refuse_unread
from tunesmith.pipeline.shrink_rows import CUT, OnRows
from tunesmith.pipeline.shrink_sides import Kind, Proof, Side
from tunesmith.pipeline.shrink_texts import OnTexts, refuse_unable
from tunesmith.pipeline.shrink_write import report_of, written
from tunesmith.tasks.likelihood import Likelihood
from tunesmith.training.run_folder import opened

__all__ = ["ShrinkOptions", "shrink"]
AGAIN = "Shrink a bundle whose data file is still there, or name where it is now: data.path=FILE"


def shrink(
    bundle: str | Path, overrides: Sequence[str] = (), options: ShrinkOptions | None = None, *, overwrite: bool = False
) -> Bundle:
    """Write a smaller bundle beside the parent.

    A run that died goes on with the models that it has cut.

    Args:
        overrides: of the recipe: ``bundle=out/small``, ``data.path=FILE`` where the file has moved; all are in
            ``shrink_options.READ``.
        overwrite: write over a bundle of the same name.

    Raises:
        TunesmithError: an override is not read here, the data cannot be read again, a package is missing, no candidate
            holds, or all lose more on the test rows than is allowed; nothing is written then.
    """
    asked = options or ShrinkOptions()
    cuts = {text: parsed(text) for text in asked.cuts}
    refuse_unread(overrides, bool(cuts))
    parent = read_bundle(bundle)
    refuse_formless(parent)
    writes = isinstance(parent.task, Likelihood)
    forms, left_out = forms_of(asked, cuts, WRITER_FORMS if writes else FORMS)
    if parent.manifest.runtime.form:
        raise RecipeError(
            f"{parent.path} is shrunk already, to {parent.manifest.runtime.form}.", "Shrink the bundle it came from."
        )
    refuse_apart(parent)
    refuse_files(parent)
    if writes:
        refuse_unable(parent, cuts)
    if cuts:
        refuse_reading_again(parent)
    if private(parent.recipe):
        forms, left_out = _unread(parent, forms, left_out)
    chosen = len(forms) > 1 or len(cuts) > 1
    plan = planned([parent], overrides, "shrunk", AGAIN, chosen=False, replace=overwrite)
    if chosen and not plan.data.validation:
        raise RecipeError(
            "Forms and cuts are chosen among on validation rows, and there are none.",
            "Name one form (--to int8), and one cut at most.",
        )
    plan.task = parent.task
    with _work_folder(plan.bundle) as work:
        kind = OnTexts(parent, plan, asked, work) if writes else OnRows(parent, plan, asked, work)
        return _Shrinking(parent, plan, asked, kind, left_out).go(forms, cuts, list(overrides), overwrite)


def _unread(parent: Bundle, forms: Sequence[Form], left_out: Mapping[str, str]) -> tuple[list[Form], dict[str, str]]:
    """Forms that no guarded training row has a part in; the others join those that are left out, with the reason.

    Raises:
        RecipeError: none stays.
    """
    why = f"training rows set its scales, and {parent.path} guards them ({PRIVATE})"
    stay = [form for form in forms if not form.calibrated]
    if not stay:
        raise RecipeError(f"{forms[0].name}: {why}.", "Take another form: --to auto")
    return stay, {**left_out, **{form.name: f"{why}." for form in forms if form.calibrated}}


@contextmanager
def _work_folder(bundle: Path) -> Iterator[Path]:
    """A hidden folder beside the bundle to be, for one process; after a failure, what was cut and trained stays for
    the next try.

    Raises:
        TrainingError: another is at work there.
    """
    with opened(bundle.parent / f".{bundle.name}.shrink", fresh=False) as work:
        try:
            yield work
        except BaseException:
            for path in work.iterdir():
                if path.is_dir() and not path.name.lstrip(".").startswith(CUT):
                    shutil.rmtree(path, ignore_errors=True)
            raise


class _Shrinking:
    """One shrinking; what its stages share."""

    def __init__(
        self, parent: Bundle, plan: Plan, asked: ShrinkOptions, kind: Kind, left_out: Mapping[str, str]
    ) -> None:
        self.parent, self.plan, self.asked, self.kind = parent, plan, asked, kind
        self.left_out = dict(left_out)

    def go(self, forms: Sequence[Form], cuts: Mapping[str, CutSpec], overrides: list[str], overwrite: bool) -> Bundle:
        """Make, measure, pick, prove, write."""
        begun = time.monotonic()
        kind = self.kind
        made = kind.made(forms, cuts, overrides, self.left_out)
        self.plan.stage("measure")
        measured = kind.measured(made.all)
        ranked = self._ranked([measured[side.name] for side in (made.cut if self.asked.to == TORCH else made.forms)])
        sides = {side.name: side for side in made.all}
        candidate, proof, refused, gate = self._pick(ranked, sides)
        if self.asked.test_all:
            self.plan.stage("test")
            for name, side in sides.items():
                found = kind.proven(side)
                measured[name].test = {**found.figure, **found.parity.to_json()}
        first = measured[made.parent.name]
        told = [words(candidate, first, self.asked.max_loss, self.asked.target, kind.units)]
        if resolve().device != "cpu":
            told.append(f"All was computed on the CPU, the parent too; this machine has a GPU ({resolve().device}).")
        told += kind.remarks(list(measured.values()), candidate)
        told += [f"{name} does not hold on the test rows: {why}." for name, why in refused.items()]
        facts = {
            "parent": {"path": str(self.parent.path), "seal": self.plan.parent},
            "metric": kind.metric,
            "rows": kind.rows,
            "units": kind.units.to_json(),
            "max_loss": self.asked.max_loss,
            "target": self.asked.target,
            "picked": candidate.name,
            "candidates": [one.to_json() for one in measured.values()],
            "left_out": self.left_out,
            "refused": refused,
            "parity": proof.parity.to_json(),
            "words": " ".join(told),
            "seconds": round(time.monotonic() - begun, 1),
        }
        notes = [*told, *(f"{name} was left out: {why}" for name, why in self.left_out.items())]
        notes += unheld(self.parent, [line.name for line in gate.lines] if gate else [])
        picked = sides[candidate.name]
        report = report_of(self.plan, picked, kind, proof, facts, notes)
        if gate:
            report["gate"] = gate.to_json()
        keep = self.asked.keep_weights
        rows = kind.proof_rows()
        return written(self.plan, picked, report, proof.parity, rows, keep_weights=keep, overwrite=overwrite)

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
                f"of {self.kind.metric} on {self.kind.rows['choosing']} rows.",
                self.kind.allow_more,
            )
        return ranked

    def _pick(
        self, ranked: Sequence[Candidate], sides: Mapping[str, Side]
    ) -> tuple[Candidate, Proof, dict[str, str], GateResult | None]:
        """The first that holds on the test rows, why those before it did not, and what its own gate says of it."""
        refused: dict[str, str] = {}
        for candidate in ranked:
            self.plan.stage("prove")
            proof = self.kind.proven(sides[candidate.name])
            if not proof.parity.passed:
                refused[candidate.name] = _why(proof.parity, self.kind.units.answers)
                continue
            gate = held(self.parent, self.plan, self.kind, proof)
            if gate is None or gate.passed:
                return candidate, proof, refused, gate
            refused[candidate.name] = failed(gate)
        why = " ".join(f"{name} does not hold on the test rows: {told}." for name, told in refused.items())
        raise TunesmithError(
            f"Nothing ships: {why}",
            "Allow more with --max-loss or --min-agreement (or evaluation.gate.NAME, where that failed), or keep the "
            "bundle.",
        )


def _why(parity: Parity, answers: str) -> str:
    """What failed, in words."""
    said = []
    if not within(parity.loss, parity.allowed_loss or 0):
        said.append(f"{parity.metric} loses {number(parity.loss)} ({number(parity.allowed_loss)} allowed)")
    if not parity.largest_gap <= parity.tolerance:
        said.append(f"a number moves by {parity.largest_gap:.3g} ({parity.tolerance:.3g} allowed)")
    alone = "" if parity.alone is None else f", {parity.alone:.1%} asked one by one"
    said += [] if parity.agreement is None else [f"{same_of(parity.agreement, 0, answers)}{alone}"]
    return ", ".join(said)
