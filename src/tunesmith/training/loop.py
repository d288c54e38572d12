"""The one loop. It knows a model, batches, a loss and hook positions, and no method or strategy by name::

    resume, if there is a checkpoint
    for each epoch
        for each batch of like lengths
            loss, outputs = compute(model, batch)          # wrapped by strategies
            backward
            strategies: after_backward                     # may add gradients
            every ``accumulate`` batches: clip, step, zero; strategies: on_step
            after the last: strategies: on_epoch
            every so often: evaluate (strategies: measured); keep the best; stop early; checkpoint
            a strategy halts the run: end it here
    put the best weights back

The strategies' positions are those of ``core.contracts.Strategy``.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.core.comparable import comparable
from tunesmith.core.contracts import Batch, Feature, LossFn, Row, Strategy, Task, Tracker
from tunesmith.core.errors import TrainingError
from tunesmith.core.runtime import Machine, random_state, restore_random_state
from tunesmith.data.batches import Drawn, LengthBatches, Listed, length_buckets
from tunesmith.models.tensors import tensors
from tunesmith.training import checkpoint
from tunesmith.training.divergence import Watch
from tunesmith.training.optim import adamw, clip, factor
from tunesmith.training.resume import Resumable
from tunesmith.training.run_state import Encode, Progress
from tunesmith.training.run_state import RunState as RunState
from tunesmith.training.settings import LoopSettings as LoopSettings

if TYPE_CHECKING:
    import torch
    from torch import nn

Evaluate = Callable[[], Mapping[str, float]]
"""Figures on the validation rows, of the model as it is now."""


@dataclass
class Trained:
    """What the loop leaves."""

    history: list[dict[str, Any]]
    best_step: int
    steps: int
    seconds: float
    samples_per_second: float
    stopped_early: bool = False
    resumed_at: int = 0
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What strategies say of themselves, by name."""


def train(
    model: nn.Module,
    task: Task,
    processor: Any,
    features: Sequence[Feature],
    settings: LoopSettings,
    machine: Machine,
    folder: Path,
    *,
    evaluate: Evaluate | None = None,
    strategies: Sequence[Strategy] = (),
    trackers: Sequence[Tracker] = (),
    encode: Encode | None = None,
    rows: Sequence[Row] = (),
    validation: Sequence[Row] = (),
) -> Trained:
    """Train ``model`` in place.

    Args:
        features: the training features, targets included; a ``Drawn`` makes them when they are asked for.
        folder: the run's own; checkpoints live here, and a run that finds one goes on from it.
        evaluate: figures on validation rows, ``settings.best`` among them; None: the last weights are kept.
        encode: rows -> features, for strategies that bring rows of their own; None: with targets, cut at the longest
            of ``features``.
        rows: what ``features`` were encoded of, for strategies that read them in their own way.
        validation: what ``evaluate`` looks at, for the same.

    Raises:
        TrainingError: training diverges, a strategy halts it before anything was measured, or a checkpoint does not
            fit.
    """
    encode = encode or _encode(task, processor, features)
    run = RunState(model, task, None, lambda loss: None, processor=processor, encode=encode, rows=rows)
    run.validation = validation
    features = features if isinstance(features, Drawn) else Listed(features)
    if not len(features):
        raise TrainingError("There is nothing to train on: no feature was made of the rows.", "Give more rows.")
    return _Loop(run, features, settings, machine, folder, evaluate, strategies, trackers).run()


def _encode(task: Task, processor: Any, features: Sequence[Feature]) -> Encode:
    longest = max(len(feature["input_ids"]) for feature in features)
    return lambda rows: task.encode(rows, processor, max_length=longest, targets=True)


class _Loop:
    def __init__(
        self,
        run_state: RunState,
        features: Listed | Drawn,
        settings: LoopSettings,
        machine: Machine,
        folder: Path,
        evaluate: Evaluate | None,
        strategies: Sequence[Strategy],
        trackers: Sequence[Tracker],
    ) -> None:
        import torch
        from torch.utils.data import DataLoader

        self.settings, self.evaluate = settings, evaluate
        self.strategies, self.trackers = strategies, trackers
        torch.set_num_threads(machine.threads)
        self.accelerator = accelerator(machine)
        task, processor = run_state.task, run_state.processor
        run_state.batch_size, run_state.seed = settings.batch_size, settings.seed
        run_state.accumulate = settings.accumulate
        run_state.autocast = self.accelerator.autocast
        scaler = self.accelerator.scaler
        if scaler is not None:
            run_state.scale = scaler.get_scale
        for strategy in strategies:
            strategy.prepare(run_state)
            features = Listed(strategy.data(list(features)))
        self.features = run_state.features = features
        self.order = LengthBatches(features.lengths, settings.batch_size, settings.seed)
        loader: Any = DataLoader(
            features,  # type: ignore[arg-type]
            batch_sampler=self.order,
            collate_fn=lambda chosen: tensors(task.collate(chosen, processor)),
            generator=torch.Generator(),  # else each new pass draws from the run's own generator, also on a resume
        )
        self.parameters = list(run_state.trained().values())
        made = adamw(run_state.model, settings.optimizer)
        self.model, optimizer, self.loader = self.accelerator.prepare(run_state.model, made, loader)
        self.optimizer = optimizer
        self.rate = max(group["lr"] for group in optimizer.param_groups)
        self.progress, self.watch = Progress(), Watch()
        self.steps_an_epoch = math.ceil(len(self.loader) / settings.accumulate)
        total = math.ceil(settings.epochs * self.steps_an_epoch)
        self.total = min(total, settings.max_steps) if settings.max_steps else total
        self.every = max(1, round(self.steps_an_epoch / settings.evaluations))
        run_state.model, run_state.optimizer, run_state.total_steps = self.model, optimizer, self.total
        run_state.backward = self._add_gradient
        self.run_state = run_state
        unwrapped = self.accelerator.unwrap_model(self.model)
        self.resumable = Resumable(
            folder, unwrapped, optimizer, strategies, self.total, len(features), self.accelerator.scaler
        )
        self.compute = self._wrapped(task)
        self.losses: list[float] = []

    def _wrapped(self, task: Task) -> LossFn:
        def compute(model: Any, batch: Batch) -> tuple[torch.Tensor, Any]:
            outputs = task.forward(model, batch)
            return task.loss(outputs, batch), outputs

        wrapped: LossFn = compute
        for strategy in self.strategies:
            wrapped = strategy.loss(wrapped)
        return wrapped

    def run(self) -> Trained:
        for strategy in self.strategies:
            strategy.start(self.run_state)
        self.rates = [group["lr"] for group in self.optimizer.param_groups]  # with those that strategies have added
        resumed = self._resume()
        for tracker in self.trackers:
            tracker.steps(resumed, self.total)
        self._last_saved = time.monotonic()
        progress = self.progress
        while not progress.done:
            self._epoch()
        self._put_best_back()
        # accelerate leaves its mixed precision on the model's forward, where it would change every later answer.
        self.accelerator.unwrap_model(self.model, keep_fp32_wrapper=False)
        rate = progress.samples / progress.seconds if progress.seconds else 0.0
        return Trained(
            progress.history, progress.best_step, progress.step, progress.seconds, rate, progress.stopped_early,
            resumed, {strategy.name: facts for strategy in self.strategies if (facts := strategy.facts())},
        )  # fmt: skip

    def _epoch(self) -> None:
        progress, settings = self.progress, self.settings
        self.order.epoch, self.order.skip = progress.epoch, progress.batch
        self.run_state.epoch = progress.epoch
        self.features.epoch = progress.epoch
        self.model.train()
        batches, indices = len(self.loader), self._indices()
        self.sizes = [len(chosen) for chosen in indices]
        stepped = time.monotonic()
        for batch in self.loader:
            progress.batch += 1
            last = progress.batch == batches
            self.run_state.indices = indices[progress.batch - 1]
            self._backward(batch)
            progress.samples += len(next(iter(batch.values()))) * self.accelerator.num_processes
            if progress.batch % settings.accumulate and not last:
                continue
            share = self._step()
            if last:
                for strategy in self.strategies:
                    strategy.on_epoch(self.run_state)
            now = time.monotonic()
            progress.seconds += now - stepped  # evaluation and checkpoints are not training time
            self._note(share)
            if self.run_state.halt:
                self._halt()
                return
            due = progress.step % self.every == 0 or progress.step >= self.total
            if due:
                self._evaluated()
            progress.done = progress.step >= self.total or progress.stopped_early
            if last and not progress.done:
                progress.epoch, progress.batch = progress.epoch + 1, 0
            self._checkpoint()
            stepped = time.monotonic()
            if progress.done:
                return

    def _indices(self) -> list[list[int]]:
        """The features of each batch of the epoch that this process computes."""
        order, mine = self.order, self.accelerator
        every = length_buckets(order.lengths, order.batch_size, seed=order.seed, epoch=order.epoch)
        own = every[mine.process_index :: mine.num_processes]
        return own + every[: len(self.loader) - len(own)]  # of several processes, the last may begin anew

    def _batch_features(self) -> list[Feature]:
        return [self.features[i] for i in self.run_state.indices]

    def _backward(self, batch: Batch) -> None:
        loss, _ = self.compute(self.model, batch)
        value = float(loss.detach())
        self.watch.look(value, self.progress.step + 1, self._batch_features())
        self.losses.append(value)
        self._add_gradient(loss)
        for strategy in self.strategies:
            strategy.after_backward(self.run_state, batch, self.compute)

    def _add_gradient(self, loss: torch.Tensor) -> None:
        """Of one batch, as its share of the step's rows; an epoch's last step may have fewer than the others."""
        accumulate, batch = self.settings.accumulate, self.progress.batch - 1
        first = batch // accumulate * accumulate
        rows = self.sizes[first : first + accumulate]
        self.accelerator.backward(loss * self.sizes[batch] / sum(rows) if len(rows) > 1 else loss)

    def _step(self) -> float:
        """One step of the optimizer; returns the share of the full learning rate that it took."""
        progress, settings = self.progress, self.settings
        share = factor(progress.step, self.total, settings.warmup, settings.schedule)
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * share
        scaler = self.accelerator.scaler
        if scaler is not None:
            self.accelerator.unscale_gradients()
        if settings.clip:
            norm = clip(self.parameters, settings.clip, self.optimizer.optimizer if scaler is None else None)
            if scaler is None:  # a scaler finds out by itself, and takes a smaller scale
                self.watch.gradient(float(norm), progress.step + 1, self._batch_features())
        self.optimizer.step()
        self.optimizer.zero_grad()
        progress.step += 1
        self.run_state.step = progress.step
        for strategy in self.strategies:
            strategy.on_step(self.run_state)
        return share

    def _note(self, share: float) -> None:
        progress = self.progress
        if progress.step % max(1, min(10, self.total // 20)) == 0 or progress.step >= self.total:
            figures = {"loss": float(np.mean(self.losses)), "learning_rate": self.rate * share}
            own = {strategy.name: said for strategy in self.strategies if (said := strategy.figures())}
            self.losses.clear()
            progress.history.append({"step": progress.step, **figures, **own})
            told = {f"{name}/{key}": value for name, said in own.items() for key, value in said.items()}
            self._log({**figures, **told, "samples_per_second": progress.samples / max(progress.seconds, 1e-9)})

    def _evaluated(self) -> None:
        if self.evaluate is None:
            return
        # Evaluating must not change what is drawn next, so that a run with more evaluations learns the same.
        state = random_state()
        with self._measured():
            self.model.eval()
            figures = {key: float(value) for key, value in self.evaluate().items()}
            self.model.train()
            self._judged(figures)
        restore_random_state(state)

    def _judged(self, figures: Mapping[str, float]) -> None:
        """Write an evaluation down, and keep the weights where it is the best."""
        progress, settings = self.progress, self.settings
        progress.history.append({"step": progress.step, "validation": figures})
        self._log({f"validation/{key}": value for key, value in figures.items()})
        value = figures[settings.best] if settings.higher_is_better else -figures[settings.best]
        if math.isnan(value):  # these rows do not define it: neither better nor worse
            return
        value = comparable(value)
        score = [value, -figures[settings.tie_break]] if settings.tie_break else [value]
        if progress.best is None or score > progress.best:
            progress.best, progress.best_step, progress.worse = score, progress.step, 0
            if self.accelerator.is_main_process:
                self.resumable.write_best(progress.step)
        elif progress.best != [0] or not settings.higher_is_better:  # still at 0: it has not begun to learn
            progress.worse += 1
            progress.stopped_early = settings.patience is not None and progress.worse >= settings.patience

    def _halt(self) -> None:
        """End the run as a strategy wants it. Weights that were measured before are good; else there are none."""
        if self.progress.best is None:
            raise TrainingError(
                f"{self.run_state.halt}. No weights were measured before.",
                "Try a smaller training.learning_rate (a third), or measure earlier: training.evaluations=4",
            )
        self.progress.done = self.progress.stopped_early = True
        self._checkpoint()

    def _checkpoint(self) -> None:
        due = time.monotonic() - self._last_saved >= self.settings.checkpoint_seconds or self.progress.done
        if due and self.accelerator.is_main_process:
            self.resumable.write(self.progress, self.losses, self.watch.seen)
            self._last_saved = time.monotonic()

    def _resume(self) -> int:
        found = self.resumable.read()
        if found is None:
            return 0
        self.progress, self.losses, seen = found
        self.watch = Watch(seen)
        self.run_state.step = self.progress.step
        return self.progress.step

    def _put_best_back(self) -> None:
        """Or, where nothing was measured, what strategies would have had measured."""
        if (self.evaluate is not None and self.resumable.read_best()) or not self.strategies:
            return
        with self._measured():
            last = {name: p.detach().clone() for name, p in self.run_state.trained().items()}
        checkpoint.put(self.run_state.trained(), last)

    @contextmanager
    def _measured(self) -> Iterator[None]:
        with ExitStack() as stack:
            for strategy in reversed(self.strategies):  # outermost first: a head is fitted on averaged weights
                stack.enter_context(strategy.measured(self.run_state))
            yield

    def _log(self, values: Mapping[str, float]) -> None:
        for tracker in self.trackers:
            tracker.log(self.progress.step, values)


def accelerator(machine: Machine) -> Any:
    """An ``accelerate.Accelerator`` for the machine; one process may make several, one after the other."""
    import torch
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState, PartialState

    kind, _, index = machine.device.partition(":")
    if kind == "cuda" and index:
        torch.cuda.set_device(int(index))  # accelerate takes the current one, whatever the model is on
    AcceleratorState._reset_state()
    if PartialState._shared_state and PartialState().device.type != kind:
        PartialState._reset_state()
    mixed = "no" if machine.precision == "fp32" else machine.precision
    return Accelerator(mixed_precision=mixed, cpu=kind == "cpu")
