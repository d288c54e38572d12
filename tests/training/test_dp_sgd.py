"""Private training: the norms that are promised, the noise, the count of epsilon, and that a model still learns."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tunesmith.core.errors import RecipeError
from tunesmith.core.registry import family
from tunesmith.core.runtime import Machine, seed_everything
from tunesmith.models.tensors import tensors
from tunesmith.training.kernels import fast_training
from tunesmith.training.loop import LoopSettings, train
from tunesmith.training.optim import OptimizerSettings
from tunesmith.training.run_state import RunState
from tunesmith.training.strategies.dp_sgd import DpSgd, add_clipped, noisy_mean, units
from tunesmith.training.strategies.order import ordered
from tunesmith.training.strategies.privacy import epsilon_of, noise_for

pytest.importorskip("opacus")
METHODS = ("head", "bitfit", "adapter", "lora")


class TestFormulas:
    def test_a_long_gradient_is_cut_and_a_short_one_is_not(self) -> None:
        total = [torch.zeros(2), torch.zeros(1)]
        assert add_clipped(total, [torch.tensor([3.0, 0.0]), torch.tensor([4.0])], 1.0) == pytest.approx(5.0)
        torch.testing.assert_close(total[0], torch.tensor([0.6, 0.0]))
        add_clipped(total, [torch.tensor([0.0, 0.5]), None], 1.0)
        torch.testing.assert_close(total, [torch.tensor([0.6, 0.5]), torch.tensor([0.8])])

    def test_noise_has_the_given_spread(self) -> None:
        found = noisy_mean([torch.full((200, 200), 6.0)], 4.0, 2.0, torch.Generator().manual_seed(1))[0]
        assert float(found.mean()) == pytest.approx(3.0, abs=0.05) and float(found.std()) == pytest.approx(2, abs=0.03)

    def test_epsilon_is_the_accountants(self) -> None:
        from opacus.accountants import RDPAccountant

        accountant = RDPAccountant()
        for _ in range(40):
            accountant.step(noise_multiplier=1.1, sample_rate=0.05)
        assert epsilon_of(1.1, 0.05, 40, 1e-4) == pytest.approx(accountant.get_epsilon(delta=1e-4))
        assert epsilon_of(0.0, 0.05, 40, 1e-4) == math.inf and epsilon_of(1.0, 0.05, 0, 1e-4) == 0
        noise = noise_for(3.0, 0.05, 40, 1e-4)
        assert 2.9 < epsilon_of(noise, 0.05, 40, 1e-4) <= 3.0

    def test_epsilon_of_one_full_draw_is_that_of_the_gaussian_mechanism(self) -> None:
        """Without sampling the divergence of order a is a / (2 sigma^2) (Mironov 2017), known without opacus."""
        orders = [1 + x / 10 for x in range(1, 100)] + list(range(12, 64))
        wanted = min(
            a / (2 * 4.0**2) - (math.log(1e-5) + math.log(a)) / (a - 1) + math.log((a - 1) / a) for a in orders
        )
        assert epsilon_of(4.0, 1.0, 1, 1e-5) == pytest.approx(wanted, rel=1e-6)

    def test_a_row_is_all_its_windows(self) -> None:
        assert units([{"row": r} for r in (0, 0, 1, -1, -1, 2, 0)]) == [[0, 1, 6], [2], [3], [4], [5]]


def prepared(run: Any, strategy: DpSgd, model: Any, batch_size: int = 8) -> RunState:
    made = RunState(
        model, run.task, None, lambda loss: loss.backward(), processor=run.processor, features=run.features,
        indices=list(range(8)), total_steps=20, batch_size=batch_size,
    )  # fmt: skip
    strategy.prepare(made)
    strategy.start(made)
    return made


def compute(run: Any) -> Any:
    def computed(model: Any, batch: Any) -> Any:
        outputs = run.task.forward(model, batch)
        return run.task.loss(outputs, batch), outputs

    return computed


def adapted(run: Any, method: str) -> Any:
    model = family("methods").make(method).apply(run.fresh(), run.task).train()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_without_noise_and_bound_it_is_the_plain_gradient(run: Any, method: str, fast: bool) -> None:
    """Of all rows, each computed by itself; and what the loop does to the loss goes through."""
    model = adapted(run, method)
    strategy = DpSgd(noise=0.0, max_norm=1e9)
    made = prepared(run, strategy, model, batch_size=len(run.features))
    batch = tensors(run.task.collate(run.features, run.processor))
    used = torch.from_numpy(run.task.token_ids(run.features)).long() if fast else None
    with fast_training(model, used, "cpu"):
        loss, _ = compute(run)(model, batch)
        loss.backward()
        wanted = {name: p.grad.clone() for name, p in made.trained().items() if p.grad is not None}
        model.zero_grad()
        found, _ = strategy.loss(compute(run))(model, tensors(run.task.collate(run.features[:8], run.processor)))
        (found / 2).backward()
    torch.testing.assert_close(found, loss.detach(), rtol=1e-4, atol=1e-5)
    assert wanted and strategy.draws == 1 and made.indices == list(range(8))
    for name, gradient in wanted.items():
        torch.testing.assert_close(made.trained()[name].grad * 2, gradient, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_one_row_moves_the_sum_by_no_more_than_the_norm(run: Any, method: str) -> None:
    """What algorithm 1 promises: the same draw with and without a row differs by max_norm at most."""
    model = adapted(run, method)
    sums = []
    for features in (run.features, run.features[1:]):
        strategy = DpSgd(noise=0.0, max_norm=1e-3)
        run_features, run.features = run.features, features
        made = prepared(run, strategy, model, batch_size=len(features))
        run.features = run_features
        model.zero_grad()
        strategy.loss(compute(run))(model, tensors(run.task.collate(features[:8], run.processor)))[0].backward()
        sums.append({name: p.grad * len(features) for name, p in made.trained().items() if p.grad is not None})
    moved = math.sqrt(sum(float((sums[0][name] - sums[1][name]).square().sum()) for name in sums[0]))
    assert moved == pytest.approx(1e-3, rel=0.02), "the row's gradient is longer than the norm, and is cut to it"


def test_draws_are_poisson_samples(run: Any) -> None:
    strategy = DpSgd(noise=1.0)
    prepared(run, strategy, adapted(run, "head"), batch_size=16)
    like = tensors(run.task.collate(run.features[:2], run.processor))
    sizes = torch.tensor([float(len(list(strategy._drawn(like)))) for _ in range(400)])
    assert float(sizes.mean()) == pytest.approx(16, abs=0.8)
    assert float(sizes.var()) == pytest.approx(64 * 0.25 * 0.75, rel=0.3), "a size of its own in each draw"


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_heads_and_adapters_move_under_noise(run: Any, method: str, fast: bool) -> None:
    model = family("methods").make(method).apply(run.fresh(), run.task)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    settings = run.settings(epochs=2, batch_size=16, accumulate=2)
    trained = run.go(settings, name=f"{method}{fast}", model=model, fast=fast, strategies=[DpSgd(epsilon=8.0)])
    for name, p in model.named_parameters():
        assert p.requires_grad != torch.equal(p.detach(), before[name]), name
    facts = trained.facts["dp_sgd"]
    assert facts["draws"] == 8 and facts["rate"] == 0.25 and facts["delta"] == 1 / 64 and facts["rows"] == 64
    assert facts["epsilon"] == pytest.approx(epsilon_of(facts["noise"], 0.25, 8, 1 / 64)) and 7 < facts["epsilon"] <= 8
    assert "epsilon 7.9" in facts["words"] or "epsilon 8" in facts["words"]


class OnPoints:
    """A task on points, of which the first number tells the class."""

    name = "points"

    def collate(self, features: Any, processor: Any) -> Any:
        return {key: torch.stack([feature[key] for feature in features]) for key in ("point", "labels")}

    def forward(self, model: Any, batch: Any) -> Any:
        return model(batch["point"])

    def loss(self, outputs: Any, batch: Any) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(outputs, batch["labels"])


def test_it_learns_where_there_are_rows_enough(tmp_path: Path) -> None:
    points = torch.randn(600, 8, generator=torch.Generator().manual_seed(4))
    labels = (points[:, 0] > 0).long()
    features: Any = [
        {"row": i, "input_ids": [0], "point": x, "labels": y}
        for i, (x, y) in enumerate(zip(points, labels, strict=True))
    ]
    right = {}
    for epsilon in (0.05, 3.0):
        seed_everything(1)
        model, task, strategy = torch.nn.Linear(8, 2), OnPoints(), DpSgd(epsilon, secret=False)
        settings = LoopSettings(epochs=6, batch_size=60, optimizer=OptimizerSettings(0.1))
        (folder := tmp_path / str(epsilon)).mkdir()
        made: Any = (model, task, None, features, settings, Machine("cpu", "fp32", 1), folder)
        trained = train(*made, strategies=[strategy])
        right[epsilon] = float((model(points).argmax(-1) == labels).float().mean())
        assert trained.facts["dp_sgd"]["epsilon"] <= epsilon
    assert right[3.0] > 0.9 and right[0.05] < right[3.0] - 0.1, "privacy has its price"


def test_noise_differs_from_run_to_run_and_is_the_seeds_where_asked(run: Any, same: Any) -> None:
    for secret in (True, False):
        weights = []
        for i in range(2):
            model = family("methods").make("head").apply(run.fresh(), run.task)
            seed_everything(3)
            run.go(run.settings(max_steps=2), name=f"{secret}{i}", model=model, strategies=[DpSgd(secret=secret)])
            weights.append(run.weights())
        assert same(*weights) is not secret


def test_the_secret_is_kept_over_a_resume() -> None:
    task = SimpleNamespace()
    made: Any = SimpleNamespace(
        features=[{"row": i} for i in range(10)], batch_size=2, total_steps=5, accumulate=1, task=task,
        embedding_is_trained=lambda: False,
    )  # fmt: skip
    one, other = DpSgd(noise=1.0), DpSgd(noise=1.0)
    for strategy in (one, other):
        strategy.start(made)
    one.draws = 3
    other.load_state(one.state())
    assert other.draws == 3 and other.spent() == one.spent() > 0
    draws = [torch.randn(4, generator=strategy._generator) for strategy in (one, other)]
    assert torch.equal(*draws)


def test_what_makes_no_sense_is_refused(run: Any) -> None:
    methods, tasks = family("methods"), family("tasks")
    lora = methods.make("lora")
    assert DpSgd().fits(run.task, lora) is None
    assert "tells what was in them" in str(DpSgd().fits(run.task, methods.make("full")))
    assert "one follows" in str(DpSgd(epsilon=1.0, noise=1.0).fits(run.task, lora))
    assert "compares the rows" in str(DpSgd().fits(tasks.make("text-embedding"), lora))
    with pytest.raises(RecipeError, match="which rows move"):
        prepared(run, DpSgd(noise=1.0), run.fresh())
    with pytest.raises(RecipeError, match=r"data\.augment"):
        run.go(model=adapted(run, "head"), rows=[{"text": "x", "augmented": "typos"}], strategies=[DpSgd()])
    for name in ("fgm", "supcon", "fair", "multi_task"):
        with pytest.raises(RecipeError, match="exclude each other"):
            ordered([DpSgd(), family("strategies").make(name)])


def test_without_opacus(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tunesmith.training.strategies.dp_sgd.find_spec", lambda name: None)
    assert "tunesmith[privacy]" in str(DpSgd().fits(run.task, family("methods").make("lora")))
