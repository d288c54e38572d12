"""Do what was planned: baselines, before, train, evaluate, report, save."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import replace as with_fields
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from tunesmith.bundle.drift.baseline import Baseline, baseline_of
from tunesmith.bundle.drift.facts import facts_of
from tunesmith.bundle.layout import REPORT
from tunesmith.bundle.predictor import Predictor
from tunesmith.bundle.read import Bundle
from tunesmith.bundle.rows import inputs_only
from tunesmith.bundle.runtimes.torch import TorchRuntime
from tunesmith.bundle.writing_speed import Clocked, clocked, writing_speed
from tunesmith.core import memory
from tunesmith.core.contracts import CheckResult, Evidence, Feature, Prediction, Row, Task, Tracker
from tunesmith.core.errors import DataError, RecipeError, TrainingError, TunesmithError
from tunesmith.core.runtime import random_state, restore_random_state, seed_everything
from tunesmith.data.clean import write_broken
from tunesmith.evaluation.baselines import FOR
from tunesmith.evaluation.baselines.measured import measured as baseline_measured
from tunesmith.evaluation.gate import gate
from tunesmith.evaluation.metrics import METRICS
from tunesmith.models.heads import mean
from tunesmith.pipeline.augmented import training_rows
from tunesmith.pipeline.calibrated import calibrated
from tunesmith.pipeline.draw import places
from tunesmith.pipeline.left_out import left_out
from tunesmith.pipeline.parts import PartBaselines, part_baselines, part_reports
from tunesmith.pipeline.plan import Plan
from tunesmith.pipeline.proof import proven
from tunesmith.pipeline.save import save
from tunesmith.tasks.askable import askable
from tunesmith.tasks.preferred import REJECTED
from tunesmith.training.loop import LoopSettings, Trained, train
from tunesmith.training.run_folder import opened, run_folder

Result = TypeVar("Result")
BASELINE_ROWS = 2000
"""Test rows that watching compares with, at most."""


class Addition:
    """What a verb adds to a run; nothing here."""

    def built(self, model: Any) -> None:
        """The model as it was built, before anything is measured."""

    def proven(self, predictor: Predictor, report: dict[str, Any], folder: Path) -> None:
        """The tuned model, its report and the run's folder; may add to the report, or raise so that nothing ships."""

    def usual(self) -> Sequence[Row]:
        """Rows that the bundle will be asked besides those that are like its test rows; it did not train on them."""
        return ()


@dataclass
class Tried:
    """What a plan gave that was carried out without saving anything."""

    trained: Trained
    parameters: dict[str, int]
    evidence: Evidence | None
    """On the plan's test rows; None where they were not asked for."""
    seconds: dict[str, float]
    """"build", "fit", "predict"."""


def tried(plan: Plan, folder: Path, *, measure: bool, addition: Addition | None = None) -> Tried:
    """Train as planned, and keep nothing: a candidate of a search or a ladder.

    Args:
        folder: for checkpoints.
        measure: whether to answer the plan's test rows. Without it no test row is looked at.

    Raises:
        TunesmithError: what failed; also where the memory is full, so that the next candidate has its turn.
    """
    memory.release()  # of the candidate before
    with memory.told():
        begun = time.monotonic()
        made = Run(plan, folder, addition or Addition())
        built = time.monotonic() - begun
        parameters, trained, _ = made.tuned()
        evidence, predicting = made.measured("fp32") if measure else (None, {"predict": 0.0})
    return Tried(trained, parameters, evidence, {"build": built, "fit": trained.seconds, **predicting})


def run(
    plan: Plan,
    *,
    replace: bool = False,
    fresh: bool = False,
    addition: Addition | None = None,
    kind: Callable[[Plan, Path, Addition], Run] | None = None,
) -> Bundle:
    """Tune as planned; a run that died goes on where it was.

    Args:
        replace: write over a bundle of the same name.
        fresh: forget what an unfinished run of this plan left.
        addition: what the verb adds.
        kind: makes the run; None: one that trains.

    Raises:
        TunesmithError: what failed; the run's folder stays, so that the same command goes on from it.
    """
    with opened(run_folder(plan.bundle, plan.identity), fresh=fresh) as folder:
        (folder / "recipe.yaml").write_text(plan.recipe.to_yaml(), "utf-8")
        told = {"samples": len(plan.data.train), "notes": [*plan.data.why, *plan.data.notes]}
        for tracker in plan.trackers:
            tracker.start(str(folder), {"recipe": plan.recipe.model_dump(), **told})
        try:
            with memory.told():
                return (kind or Run)(plan, folder, addition or Addition()).go(replace)
        finally:
            for tracker in plan.trackers:
                tracker.finish()


class Stages:
    """Names and times the stages, and tells the trackers."""

    def __init__(self, trackers: Sequence[Tracker]) -> None:
        self.trackers = trackers
        self.seconds: dict[str, float] = {}

    def __call__(self, name: str, work: Callable[[], Result]) -> Result:
        """Do ``work`` as the stage ``name``."""
        for tracker in self.trackers:
            tracker.stage(name)
        start = time.monotonic()
        result = work()
        self.seconds[name] = round(time.monotonic() - start, 3)
        return result

    def progress(self, done: int, total: int) -> None:
        """Tell the trackers how far the stage is."""
        for tracker in self.trackers:
            tracker.progress(done, total)


class Run:
    """One run; what its stages share."""

    titles: Mapping[str, str] = {}
    """What sentences call the sides of its report, where they are not what they always are."""

    def __init__(self, plan: Plan, folder: Path, addition: Addition) -> None:
        import torch

        from tunesmith.models.build import build
        from tunesmith.models.load import load_processor
        from tunesmith.models.no_texts import NoTexts

        torch.set_num_threads(plan.machine.threads)
        self.plan, self.folder, self.addition = plan, folder, addition
        self.stage = Stages(plan.trackers)
        self.of_parts: PartBaselines = {}
        self.answers: Sequence[Prediction] = ()
        """To the test rows, when they were last measured."""
        self.clock: Clocked | None = None
        """Of what was written then."""
        seed_everything(plan.recipe.training.seed)
        processor: Any = load_processor(plan.reference) if plan.task.tokenizes else NoTexts()
        self.processor = plan.task.adapt(processor)
        for strategy in plan.strategies:
            strategy.adapt(plan.task)
        _refuse_new_tokens(plan)
        built: Any = build(plan.reference, plan.task, pooling=plan.recipe.model.pooling)
        addition.built(built)
        self.model: Any = built if plan.method.few_bits else built.to(plan.machine.device)
        self.task, self.computing = self._view()
        self._rounded: Any = None
        if plan.method.few_bits:
            self._rounded = plan.method.apply(self.model, plan.task).to(plan.machine.device)

    def go(self, replace: bool) -> Bundle:
        """All stages, from the baselines to the bundle."""
        plan = self.plan
        self._refuse_strangers()
        for check in plan.checks:
            check.ready(plan.data.test)
        evidences: dict[str, Evidence] = {}
        seconds: dict[str, dict[str, float]] = {}
        if plan.recipe.evaluation.baselines:
            self.stage("baselines", lambda: self._baselines(evidences, seconds))
            # A fresh head answers by chance: the machine's fast precision is good enough to show it.
            # Log-probabilities of answers are compared with those after training, so they are of one precision.
            exact = plan.method.frozen_backbone or REJECTED in plan.data.columns
            fast = "fp32" if exact else plan.machine.precision
            evidences["before"], seconds["before"] = self.stage("before", lambda: self.measured(fast))
            self._checked_before(fast)
        counts, trained, adapter = self.tuned()
        self._calibrate()
        evidences["after"], seconds["after"] = self.stage("evaluate", lambda: self.measured("fp32"))
        seconds["after"]["fit"] = trained.seconds
        report = proven(plan, evidences, seconds, trained, counts, self.stage.seconds, self.checked(), self.titles)
        report |= self._writing_speed()
        if plan.data.parts:
            report["parts"] = part_reports(plan, evidences, self.of_parts)
        options = plan.recipe.evaluation.model_dump(include={"resamples", "confidence"})
        if parts := left_out(self._predictor("fp32"), plan.data.test, **options):
            report["modalities"] = parts
        with mean.shortened(self.model):
            self.addition.proven(self._predictor("fp32"), report, self.folder)
        self._hold(report)
        write_broken(plan.data.source, self.folder / "broken_rows.csv")
        if self._rounded is not None:
            self.model = self.computing = plan.method.merge(self._rounded)
            self.model.eval()
        return self.stage(
            "save",
            lambda: save(
                plan,
                self.model,
                self.processor,
                report,
                self.folder,
                adapter=adapter,
                replace=replace,
                baseline=self._usual_rows(),
            ),  # fmt: skip
        )

    def _refuse_strangers(self) -> None:
        """A label that cannot be measured must not come to light after hours of training."""
        for name in ("validation", "test"):
            try:
                self.plan.task.check(getattr(self.plan.data, name))
            except DataError as error:
                raise DataError(f"In the {name} rows: {error.problem}", error.hint) from error

    def tuned(self) -> tuple[dict[str, int], Trained, bool]:
        """Train: counts of weights, how it went, and whether an adapter lies in the run's folder."""
        plan = self.plan
        self.processor = plan.method.adapt(self.processor)
        adapted = self.adapted()
        counts = _counts(adapted)
        trained = self.stage("train", lambda: self._train(adapted))
        plan.task.finish(adapted)
        base = plan.reference.hub_id or plan.reference.path
        adapter = plan.method.save_adapter(adapted, str(self.folder / "adapter"), base)
        if self._rounded is None:
            self.model = plan.method.merge(adapted)
        self.model.eval()
        if not plan.method.frozen_backbone:
            self.computing = self.model
        self._choose()
        return counts, trained, adapter

    def adapted(self) -> Any:
        """The model with the method's weights, before the first step."""
        if self._rounded is not None:
            return self._rounded
        return self.plan.method.apply(self.model, self.plan.task)

    def _choose(self) -> None:
        """Let the task choose on the validation rows what is none of the weights."""
        rows = self.plan.data.validation
        if not rows or type(self.plan.task).choose is Task.choose:
            return
        features = self._encoded(rows)
        with mean.shortened(self.model):
            outputs = self._predictor(self.plan.machine.precision).infer(features)
        self.plan.task.choose(rows, outputs, features)

    def _calibrate(self) -> None:
        """Learn on the validation rows what answers are worth, where the recipe asks for it."""
        if self.plan.recipe.evaluation.calibrate is not None:
            with mean.shortened(self.model):
                calibrated(self.plan, self._predictor("fp32"), self._encoded)

    def _hold(self, report: dict[str, Any]) -> None:
        """What fails its gate does not ship; the report stays in the run's folder."""
        thresholds = self.plan.recipe.evaluation.gate
        if not thresholds:
            return
        held = gate(report, thresholds)
        report["gate"] = held.to_json()
        if not held.passed:
            (self.folder / REPORT).write_text(json.dumps(report, ensure_ascii=False, indent=1), "utf-8")
            failed = "; ".join(line.reason for line in held.lines if not line.passed)
            raise TrainingError(
                f"The gate is not passed, so no bundle is written: {failed}.",
                f"The report is {self.folder / REPORT}. Train longer, give more rows, or lower evaluation.gate.",
            )

    def _usual_rows(self) -> Baseline | None:
        """What rows that were not trained on look like, for those who watch the bundle answer."""
        plan = self.plan
        chosen = places(len(plan.data.test), BASELINE_ROWS)
        rows = inputs_only(plan.task, [plan.data.test[i] for i in chosen])
        answers = [self.answers[i] for i in chosen]
        if beside := self.addition.usual():
            others = inputs_only(plan.task, [beside[i] for i in places(len(beside), BASELINE_ROWS)])
            with mean.shortened(self.model):
                answers += self._predictor("fp32").predict(others)
            rows += others
        encode = partial(plan.task.encode, processor=self.processor, max_length=plan.max_length, targets=False)
        able, features = askable(encode, rows)
        rows, answers = [rows[i] for i in able], [answers[i] for i in able]
        unknown = getattr(self.processor, "unk_token_id", None)
        return baseline_of(list(facts_of(rows, features, answers, unknown)), unknown)

    def _view(self) -> tuple[Task, Any]:
        """The task and model to compute with: on cached vectors where the backbone stays as it is."""
        if not self.plan.method.frozen_backbone:
            return self.plan.task, self.model
        from tunesmith.pipeline.frozen import on_frozen_backbone

        return on_frozen_backbone(self.plan, self.model, self.processor, self.stage.progress)

    def _predictor(self, precision: str) -> Predictor:
        runtime = TorchRuntime(self.computing, precision=precision)
        return Predictor(self.task, self.processor, runtime, max_length=self.plan.max_length)

    def measured(self, precision: str) -> tuple[Evidence, dict[str, float]]:
        """Evidence on the plan's test rows, and the seconds that it took."""
        start = time.monotonic()
        with mean.shortened(self.model):
            rows = self.plan.data.test
            predictor = self._predictor(precision)
            self.clock = clocked(predictor)
            predictions, evidence = self.task.measure(predictor, rows, self.stage.progress)
        self.answers = predictions
        for strategy in self.plan.strategies:
            evidence = {**evidence, **strategy.judge(rows, predictions)}
        return evidence, {"predict": time.monotonic() - start}

    def _writing_speed(self) -> dict[str, Any]:
        """Of the texts that were last written to measure; of the first token in the same precision."""
        if self.clock is None:
            return {}
        with mean.shortened(self.model):
            found = writing_speed(self.clock, self._predictor("fp32"), self.plan.data.test)
        return {"writing_speed": found} if found else {}

    def _baselines(self, evidences: dict[str, Evidence], seconds: dict[str, dict[str, float]]) -> None:
        data = self.plan.data
        self.of_parts = part_baselines(self.plan)
        for name in FOR.get(self.plan.task.name, ()):
            made = baseline_measured(name, self.plan.task, data.train, data.test, data.language)
            evidences[name] = made.evidence
            seconds[name] = {"fit": made.seconds_fit, "predict": made.seconds_predict}

    def _train(self, adapted: Any) -> Trained:
        import torch

        from tunesmith.training.kernels import fast_training
        from tunesmith.training.recomputed import recomputed

        plan = self.plan
        rows = training_rows(plan)
        features = plan.task.sample(self._encoded(rows))
        best = plan.choosing[0]
        tie = "log_loss" if "log_loss" in plan.choosing else None
        settings = LoopSettings.of(plan.recipe.training, best, METRICS.load(best).higher_is_better, tie)
        optimizer = with_fields(settings.optimizer, factors=plan.method.rates())
        settings = with_fields(settings, optimizer=optimizer)
        trainee = self.computing if plan.method.frozen_backbone else adapted
        few = not any(strategy.new_tokens for strategy in plan.strategies)
        used = torch.from_numpy(self.task.token_ids(features)).long() if few else None
        again = plan.recipe.training.gradient_checkpointing
        with fast_training(trainee, used, plan.machine.device), recomputed(trainee, again):
            return train(
                trainee, self.task, self.processor, features, settings, plan.machine, self.folder,
                evaluate=self._validation(trainee), strategies=[*plan.strategies, *plan.method.strategies()],
                trackers=plan.trackers, encode=self._encoded, rows=rows,
                validation=plan.data.validation,
            )  # fmt: skip

    def _encoded(self, rows: Sequence[Row]) -> list[Feature]:
        return self.task.encode(rows, self.processor, max_length=self.plan.max_length, targets=True)

    def _validation(self, trainee: Any) -> Callable[[], Mapping[str, float]] | None:
        rows = self.plan.data.validation
        if not rows:
            return None
        features = self._encoded(rows)
        metrics = {name: METRICS.make(name) for name in self.plan.choosing}
        strategy = next((s for s in self.plan.strategies if s.choosing), None)
        precision = self.plan.machine.precision

        def measure() -> Mapping[str, float]:
            predictor = Predictor(
                self.task, self.processor, TorchRuntime(trainee, precision=precision), max_length=self.plan.max_length
            )
            evidence = (strategy or self.task).validate(predictor, rows, features)
            return {name: float(metric(evidence)) for name, metric in metrics.items()}

        return measure

    def _checked_before(self, precision: str) -> None:
        """What is drawn for a check is not drawn from training: without it the run is the same one."""
        drawn = random_state()
        for check in self.plan.checks:
            check.before(self._predictor(precision), self.plan.data.test)
        restore_random_state(drawn)

    def checked(self) -> list[CheckResult]:
        """What the recipe's checks say of the model as it is, on the test rows; one that fails says nothing."""
        predictor = self._predictor("fp32")
        found = []
        for check in self.plan.checks:
            try:
                found.append(check.check(predictor, self.plan.data.test))
            except TunesmithError as error:  # the model is trained: what is lost is one figure
                nan = float("nan")
                found.append(CheckResult(check.name, nan, nan, nan, f"Not measured: {error.problem}"))
        return found


def _refuse_new_tokens(plan: Plan) -> None:
    """Embeddings that nobody trains would stay as they were drawn."""
    if plan.task.new_tokens and not plan.method.trains_embeddings:
        raise RecipeError(
            f"The tokenizer of {plan.reference.name} lacks {plan.task.new_tokens:,} characters of the training rows, "
            f"and method={plan.method.name} cannot learn them.",
            "Use method=full, or task.characters=keep to go without them.",
        )


def _counts(model: Any) -> dict[str, int]:
    weights = list(model.parameters())
    return {"all": sum(p.numel() for p in weights), "trained": sum(p.numel() for p in weights if p.requires_grad)}
