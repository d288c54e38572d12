"""All strategies over all tasks, methods and precisions, and after a kill: the same as without it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import made_strategies
import pytest
import torch

from tunesmith.core.contracts import Strategy
from tunesmith.core.registry import family
from tunesmith.core.runtime import seed_everything
from tunesmith.models.build import build
from tunesmith.models.heads.vectors import head_on_vectors
from tunesmith.models.load import load_processor
from tunesmith.models.reference import resolve
from tunesmith.models.tensors import tensors
from tunesmith.tasks.on_vectors import on_vectors
from tunesmith.testing import tiny_bert, toy_rows
from tunesmith.training.kernels import fast_training
from tunesmith.training.optim import OptimizerSettings, adamw
from tunesmith.training.run_state import RunState
from tunesmith.training.strategies.dp_sgd import DpSgd
from tunesmith.training.strategies.multi_task import MultiTask
from tunesmith.training.strategies.order import ordered

NAMES = made_strategies.NAMES
EN, ZH = "The room was great, and the staff liked us.", "房间很干净，服务也很好。"


def places(text: str, *words: str) -> list[dict[str, Any]]:
    return [{"start": text.index(w), "end": text.index(w) + len(w), "label": "thing"} for w in words]


def place(text: str, word: str) -> dict[str, int]:
    return {"start": text.index(word), "end": text.index(word) + len(word)}


def toy_words(*words: str) -> dict[str, Any]:
    """A sentence whose third word is the predicate."""
    text, at = " ".join(words), 0
    found = []
    for word in words:
        found.append([at, at + len(word)])
        at += len(word) + 1
    return {"text": text, "words": found, "predicate": {"start": found[2][0], "end": found[2][1]}}


SPANS = [{"text": EN, "spans": places(EN, "room", "staff")}, {"text": ZH, "spans": places(ZH, "房间", "服务")}] * 2
CLASSES = [{**row, "group": "aabb"[i]} for i, row in enumerate(toy_rows("en", 4))]
ROWS: dict[str, list[dict[str, Any]]] = {
    "text-classification": CLASSES * 6,
    "multi-label-classification": [{"text": EN, "labels": ["a", "b"]}, {"text": ZH, "labels": []}] * 2,
    "text-regression": [{"text": EN, "label": 1.5}, {"text": ZH, "label": 4}] * 2,
    "token-classification": SPANS,
    "relation-extraction": [
        {"text": EN, "head": place(EN, "room"), "tail": place(EN, "staff"), "label": "one"},
        {"text": ZH, "head": place(ZH, "房间"), "tail": place(ZH, "服务"), "label": "two"},
    ]
    * 2,
    "extractive-qa": [
        {"question": "What?", "context": EN, "answers": [{"text": "room", "start": EN.index("room")}]},
        {"question": "什么？", "context": ZH, "answers": [{"text": "房间", "start": 0}]},
    ]
    * 2,
    "multiple-choice": [
        {"question": "What?", "choices": ["room", "staff", "us"], "context": EN, "answer": 0},
        {"question": "什么？", "choices": ["服务", "房间"], "context": ZH, "answer": 1},
    ]
    * 2,
    "semantic-roles": [
        {**toy_words("the", "staff", "liked", "the", "room"), "roles": [{"start": 4, "end": 9, "label": "A0"}]},
        {**toy_words("it", "is", "nice", "here"), "roles": [{"start": 0, "end": 2, "label": "A1"}]},
    ]
    * 2,
    "entities-and-relations": [{**row, "relations": [{"head": 0, "tail": 1, "label": "beside"}]} for row in SPANS],
    "text-embedding": [{"text": EN, "text_pair": ZH}, {"text": "The room", "text_pair": "房间"}] * 2,
    "mixture": [*({**row, "part": "mood"} for row in CLASSES), *({**row, "part": "things"} for row in SPANS)],
}
AT_FIRST_THE_SAME = ("ema", "swa", "wise_ft", "replay", "ewc", "lwf", "l2_sp", "class_weights", "dann", "fair")
"""What holds a model where it started, or changes what is measured; weighs classes that are alike often; grows from
nothing; or compares with rows that were seen before."""

TEXTS = ("coral", "dann", "mixup")
"""What works on a text's one vector."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    texts = [EN, ZH, "What? 什么？ us a b", *(row["text"] for row in CLASSES)]
    return tiny_bert(tmp_path_factory.mktemp("everywhere") / "bert", texts=texts)


class Made:
    """A task, its model and a batch of it."""

    def __init__(self, home: Path, name: str) -> None:
        self.options = {"parts": {"mood": "text-classification", "things": "token-classification"}}
        if name != "mixture":
            self.options = {}
        self.task = family("tasks").make(name, self.options)
        reference = resolve(str(home))
        self.rows = ROWS[name]
        self.task.start_from(reference, "mean")
        self.task.learn(self.rows)
        self.processor = self.task.adapt(load_processor(reference))
        seed_everything(5)
        self.model = build(reference, self.task)
        self.features = self.encode(self.rows)
        self.batch = tensors(self.task.collate(self.features, self.processor))

    def encode(self, rows: Any) -> Any:
        return self.task.encode(rows, self.processor, max_length=64, targets=True)

    def compute(self, model: Any, batch: Any) -> Any:
        outputs = self.task.forward(model, batch)
        return self.task.loss(outputs, batch), outputs

    def step(self, model: Any, strategies: list[Strategy]) -> dict[str, torch.Tensor]:
        """One batch as the loop computes it; its gradients."""
        run = RunState(
            model, self.task, adamw(model, OptimizerSettings(1e-3)), lambda loss: loss.backward(),
            processor=self.processor, encode=self.encode, features=self.features, rows=self.rows,
            indices=range(len(self.features)), total_steps=9,
        )  # fmt: skip
        for strategy in strategies:
            strategy.prepare(run)
            strategy.data(self.features)
        for strategy in strategies:
            strategy.start(run)
        compute: Any = self.compute
        for strategy in strategies:
            compute = strategy.loss(compute)
        seed_everything(3)
        model.train()
        loss, _ = compute(model, self.batch)
        assert torch.isfinite(loss)
        run.backward(loss)
        for strategy in strategies:
            strategy.after_backward(run, self.batch, compute)
        run.step = 9
        for strategy in strategies:
            strategy.on_step(run)
            with strategy.measured(run):
                assert all(torch.isfinite(p).all() for p in model.parameters())
        return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("task", ROWS)
def test_every_task(home: Path, tmp_path: Path, task: str) -> None:
    """A strategy says that it does not fit, or gives finite gradients that are not the plain ones."""
    made, full = Made(home, task), family("methods").make("full")
    start = {name: p.detach().clone() for name, p in made.model.state_dict().items()}
    teacher = made_strategies.bundle(tmp_path / "teacher", made.model, made.task, made.processor, options=made.options)
    plain = {name: g.clone() for name, g in made.step(made.model, []).items()}
    left = []
    for name in NAMES:
        made.model.zero_grad()
        made.model.load_state_dict(start)
        strategy = made_strategies.strategy(name, teacher=teacher, rows=made.rows)
        if strategy.fits(made.task, full) is not None:
            left.append(name)
            continue
        found = made.step(made.model, [strategy])
        assert all(torch.isfinite(g).all() for g in found.values()), name
        changed = any(not torch.allclose(g, plain[key]) for key, g in found.items() if key in plain)
        assert changed or name in AT_FIRST_THE_SAME, name
    no_class = ["class_weights", "focal", "label_smoothing", "multi_task", "supcon"]
    left_out = {
        "text-classification": ["multi_task"],
        "multi-label-classification": ["multi_task", "supcon"],
        "text-embedding": [*TEXTS, *no_class],
        "text-regression": no_class,
        "extractive-qa": [*TEXTS, "class_weights", "multi_task", "supcon"],
        "multiple-choice": [*TEXTS, "class_weights", "multi_task", "supcon"],
        "mixture": [*TEXTS, "class_weights", "supcon"],
        "entities-and-relations": [*TEXTS, "class_weights", "multi_task", "supcon"],
    }
    only_classes = [] if task == "text-classification" else ["fair"]
    assert left == sorted([*left_out.get(task, [*TEXTS, "multi_task", "supcon"]), *only_classes, "dp_sgd"])


def test_every_strategy_of_a_head_on_vectors(home: Path) -> None:
    """Beside method=head batches have no tokens: a strategy works on these, or says that it does not fit."""
    made, method = Made(home, "text-classification"), family("methods").make("head")
    drawn = torch.Generator().manual_seed(1)
    width = made.model.config.hidden_size
    made.task = on_vectors(made.task, lambda features: torch.randn(len(features), width, generator=drawn).numpy())
    made.features = made.encode(made.rows)
    made.batch = tensors(made.task.collate(made.features, made.processor))
    head = head_on_vectors(made.model)
    start = {name: p.detach().clone() for name, p in head.state_dict().items()}
    done = []
    for name in NAMES:
        strategy = made_strategies.strategy(name, rows=made.rows)
        if strategy.fits(made.task, method) is None:
            head.zero_grad()
            head.load_state_dict(start)
            assert all(torch.isfinite(g).all() for g in made.step(head, [strategy]).values()), name
            done.append(name)
    assert {"class_weights", "focal", "label_smoothing", "fair", "ema"} <= set(done)
    weighed = family("strategies").make("focal", {"power": 0.5})
    assert made.step(head, [weighed])


@pytest.mark.parametrize("task", [name for name in ROWS if name not in ("mixture", "text-embedding")])
def test_private_rows_of_every_task(home: Path, task: str) -> None:
    """Every row's gradient by itself, whatever the shape of its labels."""
    made = Made(home, task)
    model = family("methods").make("bitfit").apply(made.model, made.task)
    strategy = DpSgd(noise=0.0, max_norm=1e9)
    assert strategy.fits(made.task, family("methods").make("bitfit")) is None
    plain = {name: g.clone() for name, g in made.step(model, []).items()}
    model.zero_grad()
    seed_everything(1)
    found = made.step(model, [strategy])
    assert strategy.draws == 1 and set(found) >= set(plain)
    assert all(torch.isfinite(g).all() for g in found.values()) and any(g.any() for g in found.values())


@pytest.mark.parametrize("balance", ["pcgrad", "uncertainty"])
@pytest.mark.parametrize("fast", [True, False])
def test_parts_of_a_mixture(home: Path, balance: Any, fast: bool) -> None:
    """PCGrad's gradient is what the formula makes of each part's; weights by uncertainty learn."""
    from tunesmith.training.strategies.conflicts import without_conflicts
    from tunesmith.training.strategies.multi_task import part_losses

    made = Made(home, "mixture")
    for module in made.model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    used = torch.from_numpy(made.task.token_ids(made.features)).long() if fast else None
    with fast_training(made.model, used, "cpu"):
        strategy = MultiTask(balance)
        found = {name: g.clone() for name, g in made.step(made.model, [strategy]).items()}
        if balance == "uncertainty":
            assert all(float(s.detach()) != 0 for s in strategy.log_variance.values())
            return
        made.model.zero_grad()
        made.model.train()
        _, outputs = made.compute(made.model, made.batch)
        weights = {name: p for name, p in made.model.named_parameters() if p.requires_grad}
        each = []
        for part in part_losses(made.task, outputs, made.batch).values():
            g = torch.autograd.grad(
                part.share * part.loss, list(weights.values()), retain_graph=True, allow_unused=True
            )
            each.append([torch.zeros_like(w) if x is None else x for w, x in zip(weights.values(), g, strict=True)])
        wanted = without_conflicts(each, [[1], [0]])
        for name, gradient in zip(weights, wanted, strict=True):
            torch.testing.assert_close(found[name], gradient, atol=1e-6, rtol=1e-3)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "multi_task"])
@pytest.mark.parametrize("method", ["lora", "freeze"])
def test_methods_in_bf16_on_fast_parts(run: Any, tmp_path: Path, name: str, method: str) -> None:
    run.precision = "bf16"
    teacher = made_strategies.bundle(tmp_path / "teacher", run.fresh(), run.task, run.processor)
    model = family("methods").make(method).apply(run.fresh(), run.task)
    rows = toy_rows("en", 8, seed=9)
    strategy = made_strategies.strategy(name, teacher=teacher, rows=rows)
    trained = run.go(run.settings(epochs=0.5), model=model, fast=True, strategies=[strategy])
    assert trained.steps >= 4 and all(torch.isfinite(p).all() for p in model.parameters())


class Killed(Exception):
    """Stands for a kill."""


class KillAt(Strategy):
    name, summary = "kill", "for tests"

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, run: Any) -> None:
        if run.step == self.step:
            raise Killed


@pytest.mark.parametrize(
    "names",
    [["freelb", "ema"], ["pgd", "swa"], ["neftune", "r_drop", "l2_sp"], ["distill", "lwf", "supcon", "focal"],
     ["ewc", "replay", "label_smoothing"], ["class_weights", "fair", "ema"], ["mixup", "r_drop", "fgm"],
     ["coral", "supcon", "pgd"], ["dann", "mixup", "ema"], ["focal", "dp_sgd", "l2_sp", "ema"]],
    ids="+".join,
)  # fmt: skip
def test_a_resumed_run_ends_as_an_undisturbed_one(
    run: Any, same: Callable[[Any, Any], bool], tmp_path: Path, names: list[str]
) -> None:
    teacher = made_strategies.bundle(tmp_path / "teacher", run.fresh(), run.task, run.processor)
    rows = toy_rows("en", 8, seed=9)

    def strategies() -> list[Strategy]:
        return ordered([made_strategies.strategy(name, teacher=teacher, rows=rows) for name in names])

    def model() -> Any:
        return family("methods").make("bitfit" if "dp_sgd" in names else "full").apply(run.fresh(), run.task)

    settings = run.settings(epochs=2, max_steps=10, checkpoint_seconds=0.0, patience=None)
    run.go(settings, name="whole", model=model(), fast=True, strategies=strategies())
    wanted = run.weights()
    with pytest.raises(Killed):
        run.go(settings, name="torn", model=model(), fast=True, strategies=[*strategies(), KillAt(6)])
    torch.rand(99)
    assert run.go(settings, name="torn", model=model(), fast=True, strategies=strategies()).resumed_at == 5
    assert same(wanted, run.weights())
