"""A bundle becomes small and fast, and is proven to answer as its parent does."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tunesmith.bundle.card import model_card
from tunesmith.bundle.environment import environment
from tunesmith.bundle.layout import CARD, ENVIRONMENT, MEMBERS, RECIPE, REPORT, REPORT_PAGE, Manifest
from tunesmith.bundle.parity import TOLERANCE, largest_gap, prove_reload, same_answer
from tunesmith.bundle.predictor import Predictor
from tunesmith.bundle.read import Bundle, read_bundle
from tunesmith.bundle.rows import inputs_only
from tunesmith.bundle.runtimes.torch import TorchRuntime, load_model
from tunesmith.bundle.write import write_bundle
from tunesmith.compression import FORMS
from tunesmith.compression.forms import Form
from tunesmith.compression.latency import medians
from tunesmith.compression.pick import TARGETS, Candidate, Target, allowed, words
from tunesmith.compression.record import asked_of
from tunesmith.core.artefacts import Figure, Parity
from tunesmith.core.contracts import Batch, Prediction, Row, Runtime
from tunesmith.core.errors import BundleError, ExtraMissing, RecipeError, TunesmithError, did_you_mean
from tunesmith.core.registry import family
from tunesmith.evaluation.forgetting import before_and_after, forgotten
from tunesmith.evaluation.html import render
from tunesmith.evaluation.report import build_report
from tunesmith.evaluation.words import number, signed
from tunesmith.models.heads import mean
from tunesmith.pipeline.members import as_figure, planned, worth
from tunesmith.pipeline.plan import Plan
from tunesmith.pipeline.save import proof_rows

AUTO = "auto"
AGAIN = "Shrink a bundle whose data file is still there, or name where it is now: data.path=FILE"
CALIBRATION = 256
"""Training rows that set the scales of activations."""
CHOOSING = 1000
"""Validation rows that choose, at most."""
EXACT = 1e-3
"""Of a logit, from a form that only computes in another order."""


@dataclass(frozen=True)
class ShrinkOptions:
    """What is asked.

    Args:
        to: a form's name; "auto" tries all that this machine has and takes the best.
        max_loss: of the task's first metric, on rows that nothing was chosen on; more does not ship.
        target: what the best is.
        least_agreement: share of rows that must be answered as before.
        keep_weights: whether the model folder goes along, for transformers.
    """

    to: str = AUTO
    max_loss: float = 0.01
    target: Target = "latency"
    least_agreement: float = 0.9
    keep_weights: bool = False


@dataclass
class Side:
    """Answers of a model to some rows."""

    arrays: list[np.ndarray]
    predictions: list[Prediction]


@dataclass
class Made:
    """A candidate's files and what computes them."""

    form: Form
    folder: Path
    runtime: Runtime


def shrink(
    bundle: str | Path, overrides: Sequence[str] = (), options: ShrinkOptions | None = None, *, overwrite: bool = False
) -> Bundle:
    """Write a smaller bundle beside the parent.

    Args:
        overrides: of the recipe: ``bundle=out/small``, ``data.path=FILE`` where the file has moved.
        overwrite: write over a bundle of the same name.

    Raises:
        TunesmithError: the data cannot be read again, a package is missing, no candidate holds, or the pick loses
            more on the test rows than is allowed; nothing is written then.
    """
    asked = options or ShrinkOptions()
    _check(asked)
    parent = read_bundle(bundle)
    if parent.manifest.runtime.form:
        raise RecipeError(
            f"{parent.path} is shrunk already, to {parent.manifest.runtime.form}.", "Shrink the bundle it came from."
        )
    forms, left_out = _forms(asked.to)
    plan = planned([parent], overrides, "shrunk", AGAIN, chosen=asked.to == AUTO, replace=overwrite)
    plan.task = parent.task
    with tempfile.TemporaryDirectory(prefix=f".{plan.bundle.name}.shrink-", dir=plan.bundle.parent) as work:
        return _Shrinking(parent, plan, asked, Path(work), left_out).go(forms, overwrite)


class _Shrinking:
    """One shrinking; what its stages share."""

    def __init__(
        self, parent: Bundle, plan: Plan, asked: ShrinkOptions, work: Path, left_out: Mapping[str, str]
    ) -> None:
        self.parent, self.plan, self.asked, self.work = parent, plan, asked, work
        self.left_out = dict(left_out)
        self.model = load_model(parent).cpu().eval()
        mean.shorten(self.model)
        self.torch = TorchRuntime(self.model)

    def go(self, forms: Sequence[Form], overwrite: bool) -> Bundle:
        """Export, make, measure, pick, prove, write."""
        begun = time.monotonic()
        self._stage("export")
        graph, batches = self._graph()
        self._stage("shrink")
        made = self._made(forms, graph, batches)
        self._stage("measure")
        parent, candidates = self._measured(made)
        ranked = allowed(candidates, self.asked.max_loss, self.asked.target)
        if not ranked:
            best = min(candidates, key=lambda c: c.loss)
            raise TunesmithError(
                f"No form keeps to --max-loss {self.asked.max_loss:g}: the truest, {best.name}, loses {best.loss:.4f} "
                f"of {self.plan.task.metrics[0]} on {len(self._choosing)} rows.",
                "Allow more with --max-loss, or give more validation rows.",
            )
        told = [words(ranked[0], parent, self.asked.max_loss, self.asked.target)]
        before = self._answers(self.torch, self.plan.data.test)
        for candidate in ranked:
            self._stage("prove")
            parity, after = self._proven(made[candidate.name], before)
            if parity.passed:
                break
            told.append(f"{candidate.name} does not hold on the test rows: {_why(parity)}.")
        else:
            raise TunesmithError(
                f"Nothing ships: {' '.join(told[1:])}",
                "Allow more with --max-loss or --min-agreement, or keep the bundle.",
            )
        if candidate is not ranked[0]:
            told.append(words(candidate, parent, self.asked.max_loss, self.asked.target))
        report = self._report(before, after, parity, told, candidate, [parent, *candidates], time.monotonic() - begun)
        return self._written(made[candidate.name], report, parity, overwrite)

    def _graph(self) -> tuple[Path, list[Batch]]:
        """The model as an ONNX graph, and batches of training rows."""
        from tunesmith.compression.export import to_onnx

        draw = np.random.default_rng(self.plan.recipe.training.seed)
        train = self.plan.data.train
        chosen = sorted(draw.permutation(len(train))[:CALIBRATION])
        rows = inputs_only(self.plan.task, [train[i] for i in chosen])
        recorder = asked_of(self.torch, self.plan.task, self.parent.processor, rows, self.plan.max_length)
        target = self.work / "graph" / "model.onnx"
        to_onnx(self.model, recorder.asked, recorder.outputs, target)
        return target, recorder.asked

    def _made(self, forms: Sequence[Form], graph: Path, batches: Sequence[Batch]) -> dict[str, Made]:
        """Each form's files; in a search, what fails is told of and left out."""
        found = {}
        for done, form in enumerate(forms):
            self._progress(done, len(forms))
            folder = self.work / form.name
            try:
                form.write(graph, folder, batches)
                found[form.name] = Made(form, folder, _opened(form, folder))
            except TunesmithError:
                raise
            except Exception as error:  # a tool's own failure must not end the search
                why = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
                if self.asked.to != AUTO:
                    raise TunesmithError(
                        f"The model cannot be brought to {form.name}: {why}", "Take another form: --to auto"
                    ) from error
                self.left_out[form.name] = why
        return found

    @property
    def _choosing(self) -> Sequence[Row]:
        """The rows that choose: validation rows, or training rows where there are none and nothing is chosen."""
        return (self.plan.data.validation or self.plan.data.train)[:CHOOSING]

    def _measured(self, made: Mapping[str, Made]) -> tuple[Candidate, list[Candidate]]:
        """The parent and all forms on the rows that choose."""
        rows = self._choosing
        before = self._answers(self.torch, rows)
        runtimes: dict[str, Runtime] = {"torch": self.torch, **{name: one.runtime for name, one in made.items()}}
        one, many = self._seconds(runtimes, rows, 1), self._seconds(runtimes, rows, 32)

        def candidate(name: str, side: Side, size: int) -> Candidate:
            metric, first = self._worth(rows, side), self._worth(rows, before)
            return Candidate(
                name, as_figure(self.plan.task, metric), first - metric, _agreement(before, side),
                largest_gap(before.arrays, side.arrays), size, one[name], many[name],
            )  # fmt: skip

        found = [candidate(name, self._answers(m.runtime, rows), _bytes(m.folder)) for name, m in made.items()]
        return candidate("torch", before, _weights(self.parent.path)), found

    def _worth(self, rows: Sequence[Row], side: Side) -> float:
        return worth(self.plan.task, self.plan.task.evidence(rows, side.predictions))

    def _seconds(self, runtimes: Mapping[str, Runtime], rows: Sequence[Row], size: int) -> dict[str, float]:
        """Seconds a batch of ``size`` rows, tokens made before."""
        task, processor = self.plan.task, self.parent.processor
        asked = inputs_only(task, rows[: 32 * size if size == 1 else 8 * size])
        features = task.encode(asked, processor, max_length=self.plan.max_length, targets=False)
        features.sort(key=lambda feature: len(feature["input_ids"]))
        batches = [task.collate(features[i : i + size], processor) for i in range(0, len(features), size)]
        return medians({name: lambda b, r=runtime: task.infer(r, b) for name, runtime in runtimes.items()}, batches)  # type: ignore[misc]

    def _predictor(self, runtime: Runtime) -> Predictor:
        return Predictor(self.plan.task, self.parent.processor, runtime, max_length=self.plan.max_length)

    def _answers(self, runtime: Runtime, rows: Sequence[Row]) -> Side:
        features, arrays = self._predictor(runtime).outputs(inputs_only(self.plan.task, rows), self._progress)
        return Side(arrays, self.plan.task.decode(arrays, features))

    def _proven(self, made: Made, before: Side) -> tuple[Parity, Side]:
        """On the test rows, which nothing was chosen on."""
        task, rows = self.plan.task, self.plan.data.test
        after = self._answers(made.runtime, rows)
        kept = before_and_after(
            task.evidence(rows, before.predictions), task.evidence(rows, after.predictions), task.metrics[:1]
        )
        loss = forgotten(kept, task.metrics[0])
        gap, agreement = largest_gap(before.arrays, after.arrays), _agreement(before, after)
        # A number may move by what all of them differ by; more is another model, whatever its answers.
        tolerance = EXACT if made.form.exact else float(np.std(np.concatenate([a.ravel() for a in before.arrays])))
        held = loss["value"] is not None and loss["value"] <= self.asked.max_loss
        passed = held and gap <= tolerance and agreement >= self.asked.least_agreement
        name = f"shrink to {made.form.name}"
        return Parity(
            name, len(rows), gap, agreement, tolerance, passed, task.metrics[0], loss["value"], loss["low"],
            loss["high"], self.asked.max_loss,
        ), after  # fmt: skip

    def _report(
        self, before: Side, after: Side, parity: Parity, told: Sequence[str], picked: Candidate,
        candidates: Sequence[Candidate], seconds: float,
    ) -> dict[str, Any]:  # fmt: skip
        task, rows = self.plan.task, self.plan.data.test
        found = build_report(
            task_name=task.name,
            class_names=getattr(task, "labels", []),
            metric_names=task.metrics,
            rows=rows,
            evidences={
                "after": task.evidence(rows, after.predictions), "before": task.evidence(rows, before.predictions)
            },
            data_notes=[*told, *(f"{name} was left out: {why}" for name, why in self.left_out.items())],
            context={**self.parent.report.get("context", {}), "seconds": {"shrink": round(seconds, 1)}},
            titles={"before": "the parent", "after": "the shrunk model"},
        )  # fmt: skip
        found["shrink"] = {
            "parent": {"path": str(self.parent.path), "seal": self.plan.parent},
            "metric": task.metrics[0],
            "rows": {"choosing": len(self._choosing), "test": len(rows)},
            "max_loss": self.asked.max_loss,
            "target": self.asked.target,
            "picked": picked.name,
            "candidates": [one.to_json() for one in candidates],
            "left_out": self.left_out,
            "parity": parity.to_json(),
            "words": " ".join(told),
        }
        return found

    def _written(self, made: Made, report: dict[str, Any], parity: Parity, overwrite: bool) -> Bundle:
        """The bundle, proven by a fresh process to answer as what was measured."""
        plan, rows = self.plan, proof_rows(self.plan)
        expected = self._answers(made.runtime, rows)
        metrics = {
            name: Figure(**{key: float("nan") if value is None else value for key, value in figure.items()})
            for name, figure in report["metrics"].items()
        }
        own = self.parent.manifest
        manifest = replace(
            own,
            recipe=plan.recipe.model_dump(mode="json") | {"model": own.recipe["model"], "method": own.recipe["method"]},
            lineage=replace(own.lineage, parent=plan.parent),
            runtime=made.form.record(), metrics=metrics, parity=(parity,), files={},
        )  # fmt: skip

        def fill(part: Path) -> None:
            _copy_parent(self.parent.path, part, weights=self.asked.keep_weights)
            for path in sorted(made.folder.rglob("*")):
                if path.is_file():
                    target = part / path.relative_to(made.folder)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(path, target)
            (part / ENVIRONMENT).write_text(environment(), "utf-8")
            _write_report(part, report)

        def prove(part: Path) -> Sequence[Parity]:
            self._stage("reload")
            found = [prove_reload(part, rows, expected.arrays, expected.predictions, tolerance=TOLERANCE)]
            report["parity"] = [one.to_json() for one in (parity, *found)]
            _write_report(part, report)
            return found

        def finish(part: Path, sealed: Manifest) -> None:
            (part / CARD).write_text(model_card(plan.bundle.name, sealed.to_json(), report), "utf-8")

        write_bundle(plan.bundle, fill=fill, manifest=manifest, prove=prove, finish=finish, replace=overwrite)
        return read_bundle(plan.bundle, verify=False)

    def _stage(self, name: str) -> None:
        for tracker in self.plan.trackers:
            tracker.stage(name)

    def _progress(self, done: int, total: int) -> None:
        for tracker in self.plan.trackers:
            tracker.progress(done, total)


def _check(asked: ShrinkOptions) -> None:
    if asked.to != AUTO and asked.to not in FORMS:
        raise RecipeError(f'--to is "{asked.to}", which is no form.', did_you_mean(asked.to, [AUTO, *FORMS]))
    if asked.target not in TARGETS:
        raise RecipeError(f'--target is "{asked.target}".', f"Take one of: {', '.join(TARGETS)}.")


def _forms(to: str) -> tuple[list[Form], dict[str, str]]:
    """The forms to be made; what is missing here, by name, in a search."""
    if to != AUTO:
        form: Form = FORMS.make(to)
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


def _opened(form: Form, folder: Path) -> Runtime:
    runtime = family("runtimes").load(form.runtime)
    made: Runtime = runtime(folder / form.file, precision=form.precision)
    return made


def _agreement(before: Side, after: Side) -> float:
    pairs = zip(before.predictions, after.predictions, strict=True)
    return sum(same_answer(one, other) for one, other in pairs) / max(1, len(before.predictions))


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _weights(bundle: Path) -> int:
    return sum(path.stat().st_size for path in bundle.rglob("*.safetensors") if path.parent.name != "adapter")


def _copy_parent(parent: Path, part: Path, *, weights: bool) -> None:
    """What stays the same: tokenizer, config, recipe; the weights only if asked for."""
    known = {CARD, REPORT, REPORT_PAGE, ENVIRONMENT, "tunesmith.json", "log.jsonl", "broken_rows.csv"}
    for path in sorted(parent.iterdir()):
        if path.is_file() and path.name not in known and (weights or path.suffix != ".safetensors"):
            shutil.copyfile(path, part / path.name)
    if weights and (parent / MEMBERS).is_dir():
        shutil.copytree(parent / MEMBERS, part / MEMBERS)
    if not (part / RECIPE).is_file():
        raise BundleError(f"{parent} has no {RECIPE}.", "Tune it anew.")


def _write_report(part: Path, report: Mapping[str, Any]) -> None:
    (part / REPORT).write_text(json.dumps(report, ensure_ascii=False, indent=1), "utf-8")
    (part / REPORT_PAGE).write_text(render(report), "utf-8")


def _why(parity: Parity) -> str:
    """What failed, in words."""
    said = []
    if parity.loss is None or parity.loss > (parity.allowed_loss or 0):
        said.append(f"{parity.metric} loses {number(parity.loss)} ({signed(parity.allowed_loss)} allowed)")
    if not parity.largest_gap <= parity.tolerance:
        said.append(f"a logit moves by {parity.largest_gap:.3g} ({parity.tolerance:.3g} allowed)")
    said.append(f"{parity.agreement:.1%} of the answers are the same")
    return ", ".join(said)
