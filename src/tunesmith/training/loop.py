"""The one loop. It knows a model, batches, a loss and hook positions, and no method or strategy by name::

    resume, if there is a checkpoint
    for each epoch
        for each batch of like lengths
            loss, outputs = compute(model, batch)          # wrapped by strategies
            backward
            strategies: after_backward                     # may add gradients
            every ``accumulate`` batches: clip, step, zero; strategies: on_step
            after the last: strategies: on_epoch
            every so often: evaluate; keep the best; stop early; checkpoint
    put the best weights back

The strategies' positions are those of ``core.contracts.Strategy``.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.core.contracts import Batch, Feature, LossFn, Strategy, Task, Tracker
from tunesmith.core.errors import TrainingError
from tunesmith.core.recipe import TrainingBlock
from tunesmith.core.runtime import Machine, random_state, restore_random_state
from tunesmith.data.batches import LengthBatches
from tunesmith.training import checkpoint
from tunesmith.training.optim import OptimizerSettings, Schedule, adamw, clip, factor

if TYPE_CHECKING:
    import torch
    from torch import nn

Evaluate = Callable[[], Mapping[str, float]]
"""Figures on the validation rows, of the model as it is now."""


@dataclass(frozen=True)
class LoopSettings:
    """How long and how hard; every value decided."""

    epochs: float
    batch_size: int
    optimizer: OptimizerSettings
    warmup: float = 0.1
    schedule: Schedule = "linear"
    accumulate: int = 1
    clip: float = 1.0
    max_steps: int | None = None
    evaluations: float = 1.0
    """An epoch."""
    patience: int | None = 3
    checkpoint_seconds: float = 60.0
    seed: int = 13
    best: str = "macro_f1"
    higher_is_better: bool = True
    tie_break: str | None = None
    """A loss that decides between evaluations equal in ``best``: small validation rows reach the same score early."""

    @classmethod
    def of(cls, block: TrainingBlock, best: str, higher_is_better: bool, tie_break: str | None = None) -> LoopSettings:
        """From a recipe's block with all values decided."""
        optimizer = OptimizerSettings(
            block.learning_rate or 0.0, block.weight_decay or 0.0, block.layer_decay or 1.0, block.head_learning_rate
        )
        same = {f.name: getattr(block, f.name) for f in fields(cls) if f.name in TrainingBlock.model_fields}
        return cls(**same, optimizer=optimizer, best=best, higher_is_better=higher_is_better, tie_break=tie_break)


@dataclass
class RunState:
    """What strategies see of a run."""

    model: nn.Module
    task: Task
    optimizer: Any
    backward: Callable[[torch.Tensor], None]
    step: int = 0
    epoch: int = 0
    total_steps: int = 0

    def embedding(self) -> Any:
        """The model's input embeddings; its ``weight`` is what training moves."""
        model: Any = self.model
        inner = model.get_base_model() if hasattr(model, "get_base_model") else model
        return inner.get_input_embeddings()


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


@dataclass
class _Progress:
    """What a resumed run must know; JSON."""

    step: int = 0
    epoch: int = 0
    batch: int = 0
    """Batches of this epoch that are done."""
    best: list[float] | None = None
    best_step: int = 0
    worse: int = 0
    """Evaluations since the best."""
    seconds: float = 0.0
    samples: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    done: bool = False
    stopped_early: bool = False


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
) -> Trained:
    """Train ``model`` in place.

    Args:
        features: the training features, targets included.
        folder: the run's own; checkpoints live here, and a run that finds one goes on from it.
        evaluate: figures on validation rows, ``settings.best`` among them; None: the last weights are kept.

    Raises:
        TrainingError: the loss is not a number, or a checkpoint does not fit.
    """
    return _Loop(
        model, task, processor, list(features), settings, machine, folder, evaluate, strategies, trackers
    ).run()


class _Loop:
    def __init__(
        self,
        model: nn.Module,
        task: Task,
        processor: Any,
        features: list[Feature],
        settings: LoopSettings,
        machine: Machine,
        folder: Path,
        evaluate: Evaluate | None,
        strategies: Sequence[Strategy],
        trackers: Sequence[Tracker],
    ) -> None:
        import torch
        from torch.utils.data import DataLoader

        self.settings, self.folder, self.evaluate = settings, folder, evaluate
        self.strategies, self.trackers = strategies, trackers
        torch.set_num_threads(machine.threads)
        self.accelerator = accelerator(machine)
        for strategy in strategies:
            features = strategy.data(features)
        self.features = features
        lengths = [len(feature["input_ids"]) for feature in features]
        self.order = LengthBatches(lengths, settings.batch_size, settings.seed)
        loader: Any = DataLoader(
            features,  # type: ignore[arg-type]
            batch_sampler=self.order,
            collate_fn=lambda chosen: task.collate(chosen, processor),
            generator=torch.Generator(),  # else each new pass draws from the run's own generator, also on a resume
        )
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.model, optimizer, self.loader = self.accelerator.prepare(model, adamw(model, settings.optimizer), loader)
        self.optimizer = optimizer
        self.rates = [group["lr"] for group in optimizer.param_groups]
        self.progress = _Progress()
        self.steps_an_epoch = math.ceil(len(self.loader) / settings.accumulate)
        total = math.ceil(settings.epochs * self.steps_an_epoch)
        self.total = min(total, settings.max_steps) if settings.max_steps else total
        self.every = max(1, round(self.steps_an_epoch / settings.evaluations))
        self.run_state = RunState(self.model, task, optimizer, self._add_gradient, total_steps=self.total)
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
            progress.history, progress.best_step, progress.step, progress.seconds, rate, progress.stopped_early, resumed
        )

    def _epoch(self) -> None:
        progress, settings = self.progress, self.settings
        self.order.epoch, self.order.skip = progress.epoch, progress.batch
        self.run_state.epoch = progress.epoch
        self.model.train()
        batches = len(self.loader)
        stepped = time.monotonic()
        for batch in self.loader:
            progress.batch += 1
            last = progress.batch == batches
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

    def _backward(self, batch: Batch) -> None:
        loss, _ = self.compute(self.model, batch)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise TrainingError(
                f"The loss is {value} at step {self.progress.step + 1}: training has diverged.",
                "Try a smaller training.learning_rate (a third), training.clip=1.0 or training.precision=fp32.",
            )
        self.losses.append(value)
        self._add_gradient(loss)
        for strategy in self.strategies:
            strategy.after_backward(self.run_state, batch, self.compute)

    def _add_gradient(self, loss: torch.Tensor) -> None:
        """Of one batch, as its share of the step's; an epoch's last step may have fewer batches than the others."""
        accumulate = self.settings.accumulate
        first = (self.progress.batch - 1) // accumulate * accumulate
        share = min(accumulate, len(self.loader) - first)
        self.accelerator.backward(loss / share if share > 1 else loss)

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
            clip(self.parameters, settings.clip, self.optimizer.optimizer if scaler is None else None)
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
            figures = {"loss": float(np.mean(self.losses)), "learning_rate": max(self.rates) * share}
            self.losses.clear()
            progress.history.append({"step": progress.step, **figures})
            self._log({**figures, "samples_per_second": progress.samples / max(progress.seconds, 1e-9)})

    def _evaluated(self) -> None:
        if self.evaluate is None:
            return
        progress, settings = self.progress, self.settings
        # Evaluating must not change what is drawn next, so that a run with more evaluations learns the same.
        state = random_state()
        self.model.eval()
        figures = {key: float(value) for key, value in self.evaluate().items()}
        self.model.train()
        restore_random_state(state)
        progress.history.append({"step": progress.step, "validation": figures})
        self._log({f"validation/{key}": value for key, value in figures.items()})
        value = figures[settings.best] if settings.higher_is_better else -figures[settings.best]
        if math.isnan(value):  # these rows do not define it: neither better nor worse
            return
        score = [value, -figures[settings.tie_break]] if settings.tie_break else [value]
        if progress.best is None or score > progress.best:
            progress.best, progress.best_step, progress.worse = score, progress.step, 0
            if self.accelerator.is_main_process:
                checkpoint.write(self.folder / "best", {"model": self._weights()}, {"step": progress.step})
        else:
            progress.worse += 1
            progress.stopped_early = settings.patience is not None and progress.worse >= settings.patience

    def _weights(self) -> checkpoint.Tensors:
        return checkpoint.trainable(self.accelerator.unwrap_model(self.model))

    def _checkpoint(self) -> None:
        due = time.monotonic() - self._last_saved >= self.settings.checkpoint_seconds or self.progress.done
        if not due or not self.accelerator.is_main_process:
            return
        groups = {"model": self._weights(), "optimizer": checkpoint.optimizer_tensors(self.optimizer)}
        facts = {
            "progress": vars(self.progress),
            "losses": self.losses,
            "random": random_state(),
            "total": self.total,
            "features": len(self.features),
        }
        for i, strategy in enumerate(self.strategies):
            state = strategy.state()
            if state:
                groups[f"strategy{i}"] = state
        checkpoint.write(self.folder / "checkpoint", groups, facts)
        self._last_saved = time.monotonic()

    def _resume(self) -> int:
        found = checkpoint.read(self.folder / "checkpoint")
        if found is None:
            return 0
        groups, facts = found
        if facts["total"] != self.total or facts["features"] != len(self.features):
            raise TrainingError(
                f"The unfinished run in {self.folder} had {facts['total']} steps over {facts['features']} features; "
                f"this one has {self.total} over {len(self.features)}.",
                "Give the settings and data that it was started with, or start afresh with --fresh.",
            )
        checkpoint.load_trainable(self.accelerator.unwrap_model(self.model), groups["model"])
        checkpoint.load_optimizer(self.optimizer, groups["optimizer"])
        for i, strategy in enumerate(self.strategies):
            strategy.load_state(groups.get(f"strategy{i}", {}))
        self.progress = _Progress(**facts["progress"])
        self.losses = facts["losses"]
        self.run_state.step = self.progress.step
        restore_random_state(facts["random"])
        return self.progress.step

    def _put_best_back(self) -> None:
        found = checkpoint.read(self.folder / "best") if self.evaluate is not None else None
        if found is not None:
            checkpoint.load_trainable(self.accelerator.unwrap_model(self.model), found[0]["model"])

    def _log(self, values: Mapping[str, float]) -> None:
        for tracker in self.trackers:
            tracker.log(self.progress.step, values)


def accelerator(machine: Machine) -> Any:
    """An ``accelerate.Accelerator`` for the machine; one process may make several, one after the other."""
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState, PartialState

    AcceleratorState._reset_state()
    if machine.device == "cpu" and PartialState._shared_state and PartialState().device.type != "cpu":
        PartialState._reset_state()
    mixed = "no" if machine.precision == "fp32" else machine.precision
    return Accelerator(mixed_precision=mixed, cpu=machine.device == "cpu")
