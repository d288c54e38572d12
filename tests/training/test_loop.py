"""The loop: what it learns, what it keeps, and that a resumed run ends as an undisturbed one."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from safetensors.torch import load_file, save_file

from tunesmith.core.contracts import Strategy, Tracker
from tunesmith.core.errors import TrainingError
from tunesmith.core.runtime import Machine
from tunesmith.models.tensors import tensors
from tunesmith.training import checkpoint
from tunesmith.training.optim import OptimizerSettings
from tunesmith.training.strategies.fgm import Fgm
from tunesmith.training.strategies.r_drop import RDrop

Same = Callable[[Any, Any], bool]


class Killed(Exception):
    """Stands for a kill."""


class KillAt(Strategy):
    """Dies when the optimizer has made a step, before its checkpoint."""

    name, summary = "kill", "for tests"

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, run: Any) -> None:
        if run.step == self.step:
            raise Killed


class Figures:
    """An evaluation that gives what it is told, one after the other."""

    def __init__(self, *values: float) -> None:
        self.values = list(values)
        self.asked = 0

    def __call__(self) -> dict[str, float]:
        self.asked += 1
        torch.rand(7)  # an evaluation may draw
        return {"macro_f1": self.values[min(self.asked, len(self.values)) - 1]}


DEVICES = [("cuda:1", "cpu", True), ("cuda", "cuda", False), ("cpu", "cuda", True), ("mps", "mps", False)]


@pytest.mark.parametrize(("wanted", "before", "anew"), DEVICES)
def test_the_device_that_is_named(wanted: str, before: str, anew: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    from tunesmith.training.loop import accelerator

    chosen: list[int] = []
    reset: list[bool] = []

    class State:
        _shared_state: ClassVar[dict[str, Any]] = {"device": before}
        device = torch.device(before)

        @classmethod
        def _reset_state(cls) -> None:
            reset.append(True)

    monkeypatch.setattr("accelerate.state.PartialState", State)
    monkeypatch.setattr("accelerate.Accelerator", lambda **options: options)
    monkeypatch.setattr("torch.cuda.set_device", chosen.append)
    made = accelerator(Machine(wanted, "fp32", 1))
    assert made["cpu"] is (wanted == "cpu") and bool(reset) is anew
    assert chosen == ([1] if wanted == "cuda:1" else [])


@pytest.mark.parametrize("fast", [False, True])
def test_it_learns(run: Any, fast: bool) -> None:
    trained = run.go(run.settings(epochs=14, optimizer=OptimizerSettings(4e-3)), fast=fast)
    assert run.right() >= 0.9
    assert trained.steps == 14 * 8 and trained.samples_per_second > 0 and not trained.stopped_early
    losses = [entry["loss"] for entry in trained.history if "loss" in entry]
    assert losses[-1] < losses[0] / 2
    assert not (run.home / "run" / "checkpoint.part").exists()


def test_the_same_again(run: Any, same: Same) -> None:
    run.go(name="a")
    first = run.weights()
    run.go(name="b")
    assert same(first, run.weights())


def test_bf16_leaves_a_model_in_fp32_that_answers_in_fp32(run: Any) -> None:
    run.precision = "bf16"
    run.go(run.settings(epochs=1))
    assert {p.dtype for p in run.model.parameters()} == {torch.float32}
    batch = tensors(run.task.collate(run.features[:4], run.processor))
    batch.pop("labels")
    logits = run.model.eval()(**batch).logits
    assert logits.dtype == torch.float32
    assert not torch.equal(logits, logits.bfloat16().float()), "the answer was computed in bf16"


@pytest.mark.parametrize("batches", [(32, 1), (8, 4), (15, 3)], ids=["whole", "accumulated", "uneven"])
def test_accumulating_is_a_larger_batch(run: Any, batches: tuple[int, int]) -> None:
    seen: list[torch.Tensor] = []

    class Look(Strategy):
        name, summary = "look", "for tests"

        def start(self, run: Any) -> None:
            step = run.optimizer.step

            def looked(*args: Any) -> Any:
                seen.append(torch.cat([p.grad.flatten() for g in run.optimizer.param_groups for p in g["params"]]))
                return step(*args)

            run.optimizer.step = looked

    # All rows in one step, in whatever batches: their mean gradient.
    run.features = run.features[:32]
    size, accumulate = batches
    settings = run.settings(epochs=1, batch_size=size, accumulate=accumulate, clip=0.0)
    run.go(settings, dropout=0.0, strategies=[Look()])
    model = run.fresh(0.0).train()
    batch = tensors(run.task.collate(run.features, run.processor))
    run.task.loss(model(**{k: v for k, v in batch.items() if k != "labels"}), batch).backward()
    wanted = {name: p.grad for name, p in model.named_parameters()}
    order = torch.cat([g.flatten() for g in wanted.values()])
    assert len(seen) == 1
    assert float(seen[0].norm()) == pytest.approx(float(order.norm()), rel=1e-4)
    assert float(seen[0].sum()) == pytest.approx(float(order.sum()), rel=1e-3, abs=1e-4)


def test_an_epochs_last_step_of_fewer_batches_is_a_mean_too(run: Any, same: Same) -> None:
    """5 batches, 4 to a step: the fifth stands alone and counts as whole."""
    norms: list[float] = []

    class Look(Strategy):
        name, summary = "look", "for tests"

        def after_backward(self, run: Any, batch: Any, compute: Any) -> None:
            norms.append(float(run.model.classifier.weight.grad.norm()))

    run.features = [run.features[0]] * 40
    run.go(run.settings(epochs=1, accumulate=4, optimizer=OptimizerSettings(1e-12)), dropout=0.0, strategies=[Look()])
    assert norms[4] == pytest.approx(norms[3], rel=1e-4) == pytest.approx(4 * norms[0], rel=1e-4)


def test_the_best_weights_are_put_back(run: Any) -> None:
    kept: list[Any] = []
    figures = Figures(0.1, 0.9, 0.5, 0.6)

    def evaluate() -> Any:
        kept.append(run.weights())
        return figures()

    trained = run.go(run.settings(epochs=4), evaluate=evaluate)
    assert trained.best_step == 16 and trained.steps == 32 and not trained.stopped_early
    assert all(torch.equal(value, kept[1][name]) for name, value in run.weights().items())
    assert [e["validation"]["macro_f1"] for e in trained.history if "validation" in e] == [0.1, 0.9, 0.5, 0.6]


def test_lower_may_be_better(run: Any) -> None:
    settings = run.settings(epochs=3, higher_is_better=False)
    assert run.go(settings, evaluate=Figures(0.5, 0.2, 0.4)).best_step == 16


def test_it_stops_early(run: Any) -> None:
    figures = Figures(0.5, 0.4, 0.3, 0.9)
    trained = run.go(run.settings(epochs=9, patience=2), evaluate=figures)
    assert trained.stopped_early and trained.steps == 24 and trained.best_step == 8 and figures.asked == 3


def test_patience_may_be_endless(run: Any) -> None:
    trained = run.go(run.settings(epochs=6, patience=None), evaluate=Figures(0.5, 0.1))
    assert not trained.stopped_early and trained.steps == 48 and trained.best_step == 8


def test_a_metric_that_is_not_defined_stops_nothing(run: Any) -> None:
    trained = run.go(run.settings(epochs=3, patience=1), evaluate=Figures(math.nan, 0.3, math.nan))
    assert trained.steps == 24 and trained.best_step == 16
    assert run.go(run.settings(epochs=3, patience=1), name="b", evaluate=Figures(math.nan)).best_step == 0


def test_what_has_not_begun_to_learn_is_not_stopped(run: Any) -> None:
    trained = run.go(run.settings(epochs=6, patience=1), evaluate=Figures(0.0, 0.0, 0.0, 0.2, 0.0))
    assert trained.best_step == 32 and trained.stopped_early and trained.steps == 40
    fallen = run.go(run.settings(epochs=6, patience=1), name="b", evaluate=Figures(0.4, 0.0))
    assert fallen.stopped_early and fallen.steps == 16


def test_evaluating_changes_nothing_that_is_learned(run: Any, same: Same) -> None:
    run.go(run.settings(patience=None), name="a")
    plain = run.weights()
    rising = Figures(*[i / 100 for i in range(1, 50)])
    run.go(run.settings(patience=None, evaluations=4), name="b", evaluate=rising)
    assert rising.asked == 8
    assert same(plain, run.weights())


def test_max_steps_and_parts_of_epochs(run: Any) -> None:
    assert run.go(run.settings(max_steps=3)).steps == 3
    assert run.go(run.settings(epochs=0.5), name="b").steps == 4
    assert run.go(run.settings(epochs=1, accumulate=3), name="c").steps == 3


def test_strategies_hear_of_an_epoch_before_its_evaluation(run: Any) -> None:
    heard: list[str] = []

    class Listen(Strategy):
        name, summary = "listen", "for tests"

        def on_epoch(self, run: Any) -> None:
            heard.append(f"epoch {run.epoch}")

    def evaluate() -> dict[str, float]:
        heard.append("evaluation")
        return {"macro_f1": len(heard) / 10}

    run.go(strategies=[Listen()], evaluate=evaluate)
    assert heard == ["epoch 0", "evaluation", "epoch 1", "evaluation"]


def test_divergence_is_said(run: Any) -> None:
    run.task.loss = lambda outputs, batch: outputs.logits.sum() * math.nan
    with pytest.raises(TrainingError, match="The loss is nan at step 1: training has diverged") as caught:
        run.go()
    assert "learning_rate" in caught.value.hint


STRATEGIES: dict[str, Callable[[], Sequence[Strategy]]] = {
    "plain": tuple,
    "fgm": lambda: [Fgm(0.5)],
    "both": lambda: [RDrop(1.0), Fgm(0.5)],
}


@pytest.mark.parametrize("strategies", STRATEGIES)
@pytest.mark.parametrize(("step", "fast"), [(3, True), (8, False), (11, True)])
def test_a_resumed_run_ends_as_an_undisturbed_one(run: Any, same: Same, strategies: str, step: int, fast: bool) -> None:
    made, rising = STRATEGIES[strategies], [i / 10 for i in range(1, 9)]
    settings = run.settings(checkpoint_seconds=0.0, evaluations=2, accumulate=1)
    run.go(settings, name="whole", fast=fast, strategies=made(), evaluate=Figures(*rising))
    wanted = run.weights()
    with pytest.raises(Killed):
        run.go(settings, name="torn", fast=fast, strategies=[*made(), KillAt(step)], evaluate=Figures(*rising))
    torch.rand(99)  # another process has other random numbers
    left = Figures(*rising[(step - 1) // 4 :])
    trained = run.go(settings, name="torn", fast=fast, strategies=made(), evaluate=left)
    assert trained.resumed_at == step - 1 and trained.steps == 16
    history = [entry["step"] for entry in trained.history]
    assert history == sorted(history) and same(wanted, run.weights())


def test_a_resume_in_the_middle_of_accumulating(run: Any, same: Same) -> None:
    settings = run.settings(checkpoint_seconds=0.0, accumulate=3)
    run.go(settings, name="whole")
    wanted = run.weights()
    with pytest.raises(Killed):
        run.go(settings, name="torn", strategies=[KillAt(5)])
    assert run.go(settings, name="torn").resumed_at == 4
    assert same(wanted, run.weights())


def test_a_run_that_was_done_is_not_done_again(run: Any, same: Same) -> None:
    run.go(evaluate=Figures(0.5, 0.1))
    wanted = run.weights()
    again = run.go(evaluate=Figures(9.9))
    assert again.resumed_at == 16 and same(wanted, run.weights())


def test_a_checkpoint_of_other_settings_is_refused(run: Any) -> None:
    run.go()
    with pytest.raises(TrainingError, match="had 16 steps over 64 features; this one has 24") as caught:
        run.go(run.settings(epochs=3))
    assert "--fresh" in caught.value.hint


def test_a_checkpoint_of_another_model_is_refused(run: Any) -> None:
    run.go()
    model = run.fresh()
    model.classifier.requires_grad_(False)
    with pytest.raises(TrainingError, match="does not fit the model: classifier"):
        run.go(model=model)


SCRIPT = """
import os, signal, sys
sys.path.insert(0, {here!r})
import conftest
from pathlib import Path
from safetensors.torch import save_file
from tunesmith.core.contracts import Tracker
from tunesmith.training.strategies.fgm import Fgm

class KillNine(Tracker):
    def log(self, step, values):
        if step == {step}:
            os.kill(os.getpid(), signal.SIGKILL)

run = conftest.Run(Path({folder!r}), Path({home!r}))
settings = run.settings(checkpoint_seconds=0.0, epochs=3)
trained = run.go(settings, name="torn", fast=True, strategies=[Fgm(0.5)], trackers=[KillNine()])
assert trained.resumed_at == {resumed}, trained.resumed_at
save_file(run.weights(), {home!r} + "/torn.safetensors")
"""


def test_kill_nine_and_resume_in_other_processes(run: Any, folder: Path) -> None:
    def process(step: int, resumed: int) -> int:
        values = {"here": str(Path(__file__).parent), "folder": str(folder), "home": str(run.home)}
        code = SCRIPT.format(step=step, resumed=resumed, **values)
        return subprocess.run([sys.executable, "-c", code], env={**os.environ, "OMP_NUM_THREADS": "1"}).returncode

    settings = run.settings(checkpoint_seconds=0.0, epochs=3)
    run.go(settings, name="whole", fast=True, strategies=[Fgm(0.5)])
    assert process(13, 0) == -signal.SIGKILL
    assert not (run.home / "torn.safetensors").exists() and (run.home / "torn" / "checkpoint").is_dir()
    assert process(-1, 12) == 0
    found = load_file(run.home / "torn.safetensors")
    assert all(torch.equal(found[name], value) for name, value in run.weights().items())


def test_trackers_hear_of_steps_losses_and_evaluations(run: Any) -> None:
    heard: list[Any] = []

    class Listen(Tracker):
        def steps(self, done: int, total: int) -> None:
            heard.append((done, total))

        def log(self, step: int, values: Any) -> None:
            heard.append((step, sorted(values)))

    run.go(evaluate=Figures(0.5), trackers=[Listen()])
    assert heard[0] == (0, 16)
    assert (8, ["validation/macro_f1"]) in heard
    assert (16, ["learning_rate", "loss", "samples_per_second"]) in heard


class TestCheckpoint:
    """Whole or absent."""

    tensors = {"model": {"w": torch.arange(6.0).reshape(2, 3).mT}}

    def test_round_trip(self, tmp_path: Path) -> None:
        checkpoint.write(tmp_path / "c", self.tensors, {"step": 3})
        found = checkpoint.read(tmp_path / "c")
        assert found is not None and found[1] == {"step": 3}
        assert torch.equal(found[0]["model"]["w"], self.tensors["model"]["w"])
        assert checkpoint.read(tmp_path / "none") is None

    @pytest.mark.parametrize("renames", [0, 1])
    def test_a_kill_at_any_rename_leaves_a_whole_one(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renames: int
    ) -> None:
        place = tmp_path / "c"
        checkpoint.write(place, self.tensors, {"step": 1})
        real, done = Path.rename, []

        def rename(path: Path, target: Path) -> Path:
            if len(done) == renames:
                raise Killed
            done.append(path)
            return real(path, target)

        for step in (2, 3):  # and again, on what the first kill left
            done.clear()
            monkeypatch.setattr(Path, "rename", rename)
            with pytest.raises(Killed):
                checkpoint.write(place, self.tensors, {"step": step})
            monkeypatch.undo()
            found = checkpoint.read(place)
            assert found is not None and found[1]["step"] < step
            renames = 0
        checkpoint.write(place, self.tensors, {"step": 4})
        assert [p.name for p in tmp_path.iterdir()] == ["c"]

    def test_what_a_killed_writer_left_is_not_read(self, tmp_path: Path) -> None:
        (tmp_path / "c.part").mkdir()
        save_file({"w": torch.zeros(2)}, tmp_path / "c.part" / "model.safetensors")
        assert checkpoint.read(tmp_path / "c") is None
        checkpoint.write(tmp_path / "c", self.tensors, {})
        assert not (tmp_path / "c.part").exists()

    def test_a_full_disk_is_said_and_the_last_one_stays(self, tmp_path: Path) -> None:
        checkpoint.write(tmp_path / "c", self.tensors, {"step": 1})
        code = f"""
import resource, signal, sys, torch
from pathlib import Path
from tunesmith.core.errors import TrainingError
from tunesmith.training import checkpoint
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    checkpoint.write(Path({str(tmp_path / "c")!r}), {{"model": {{"w": torch.zeros(4000)}}}}, {{"step": 2}})
except TrainingError as error:
    print(error)
"""
        said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert "A checkpoint cannot be written" in said.stdout, said.stderr
        assert "Free some room" in said.stdout
        assert [p.name for p in tmp_path.iterdir()] == ["c"]
        found = checkpoint.read(tmp_path / "c")
        assert found is not None and found[1] == {"step": 1}


def test_the_scale_of_half_precision_is_kept_in_a_checkpoint(tmp_path: Path) -> None:
    import torch

    from tunesmith.training.resume import Resumable
    from tunesmith.training.run_state import Progress

    def resumable(scale: float) -> Resumable:
        model = torch.nn.Linear(2, 2)
        optimizer = torch.optim.AdamW(model.parameters())
        scaler = torch.amp.GradScaler("cpu", init_scale=scale)
        return Resumable(tmp_path, model, optimizer, [], 4, 8, scaler)

    resumable(128.0).write(Progress(), [], [])
    again = resumable(2.0)
    assert again.read() is not None
    assert again.scaler.state_dict()["scale"] == 128.0
