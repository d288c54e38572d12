"""Learning from rewards in the loop."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from preference_runs import TALKS, TEXTS, Run
from test_preference import KillAt, Killed, Logged, begun

from tunesmith.core.errors import DataError, TrainingError
from tunesmith.core.registry import family
from tunesmith.models.answer_likelihood import log_probabilities
from tunesmith.tasks.dialogue import Dialogue
from tunesmith.testing import tiny_llama
from tunesmith.training.optim import OptimizerSettings
from tunesmith.training.strategies.answers import batch_of
from tunesmith.training.strategies.policy import advantages, divergence_estimate, per_answer

LETTER = {"name": "format", "pattern": "[aeo好]"}


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("grpo") / "llama", texts=TEXTS)


@pytest.fixture
def run(llama: Path, tmp_path: Path) -> Run:
    return Run(llama, tmp_path)


def made(**options: Any) -> Any:
    given = {"rewards": [LETTER], "group": 4, "max_new_tokens": 4, "max_kl": 1e6, **options}
    return family("strategies").make("grpo", given)


@pytest.mark.parametrize("options", [{}, {"beta": 0.02}, {"kind": "dr"}, {"again": 1}], ids=str)
def test_the_reward_rises(run: Run, options: Any) -> None:
    tracker = Logged()
    settings = run.settings(epochs=8, optimizer=OptimizerSettings(3e-3))
    trained = run.go(settings, strategies=[made(**options)], trackers=[tracker])
    rewards = [line["grpo/reward"] for line in tracker.lines if "grpo/reward" in line]
    assert rewards[0] < 0.75 and np.mean(rewards[-3:]) > rewards[0] + 0.15, rewards
    facts = trained.facts["grpo"]
    assert facts["kl"] > 0 and 1 <= facts["tokens"] <= 4 and "grpo" in facts["words"]


def test_the_gradient_is_that_of_the_formula(run: Run) -> None:
    """On fresh answers, with a divergence, by hand."""
    model, strategy = run.fresh(), made(beta=0.5)
    loss, here = begun(run, strategy, model)
    start = {name: p.detach().clone() for name, p in model.named_parameters()}
    strategy.begin_once()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn_like(p) * 0.05)
    here.indices = [3, 14, 20]
    model.train()
    value, _ = loss(model, {})
    found = torch.autograd.grad(value, list(model.parameters()))
    (rollout,) = strategy._buffer
    texts = [run.task.decode([a.written], [here.features[0]])[0]["text"] for a in rollout.answers]
    rewards = torch.tensor(strategy.reward([{}] * 12, texts)[0]).view(3, 4)
    assert 0 < rewards.mean() < 1
    batch = batch_of(rollout.answers, 3)
    kept = {name: p.detach().clone() for name, p in model.named_parameters()}
    model.load_state_dict(start, strict=False)
    before = log_probabilities(model, batch)[0].detach()
    model.load_state_dict(kept, strict=False)
    now, counts = log_probabilities(model, batch)
    each = advantages(rewards).flatten().repeat_interleave(torch.tensor(counts))
    tokens = torch.exp(now - now.detach()) * (each - 0.5 * divergence_estimate(now, before))
    wanted = -per_answer(tokens, counts).mean()
    torch.testing.assert_close(value, wanted)
    for one, other in zip(found, torch.autograd.grad(wanted, list(model.parameters())), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-3)


def test_answers_are_measured_at_the_length_that_they_are_learned_at() -> None:
    task = Dialogue()
    for told, known, wanted in ((None, 2, 4), (None, 16, 16), (3, 2, 3)):
        task.max_new_tokens, task.state = told, {"max_new_tokens": known}
        strategy = made()
        strategy.adapt(task)
        assert task.decoding.max_new_tokens == wanted
        strategy._run = SimpleNamespace(task=task)
        assert ("mean_reward is of answers of at most" in strategy.facts()["words"]) == (wanted != 4)


def test_groups_that_are_alike_teach_nothing_and_cost_nothing(run: Run) -> None:
    model, strategy = run.fresh(), made(rewards=[{"name": "format", "pattern": "never", "weight": 2}])
    loss, here = begun(run, strategy, model)
    here.indices = [1, 2]
    model.train()
    value, _ = loss(model, {})
    assert float(value.detach()) == 0.0 and not strategy._buffer[0].answers
    value.backward()
    assert all(p.grad is None or not p.grad.any() for p in model.parameters())


def test_what_is_written_is_drawn_anew_each_step_and_the_same_again(run: Run) -> None:
    model, strategy = run.fresh(), made()
    loss, here = begun(run, strategy, model, indices=[4, 5])
    seen = []
    for step in (0, 0, 1):
        here.step = step
        state = torch.random.get_rng_state()
        strategy._buffer = [strategy._written()]
        assert torch.equal(state, torch.random.get_rng_state()), "the run's own draws are left alone"
        seen.append([a.written.tolist() for a in strategy._buffer[0].answers])
    assert seen[0] == seen[1] != seen[2]


@pytest.mark.parametrize(("method", "options"), [("lora", {"again": 2}), ("full", {"beta": 0.1})], ids=str)
def test_a_resumed_run_ends_as_an_undisturbed_one(run: Run, method: str, options: Any) -> None:
    settings = run.settings(epochs=3, max_steps=7, checkpoint_seconds=0.0)
    whole = run.go(settings, name="whole", method=method, strategies=[made(**options)])
    wanted = run.weights()
    with pytest.raises(Killed):
        run.go(settings, name="torn", method=method, strategies=[made(**options), KillAt(5)])
    torn = run.go(settings, name="torn", method=method, strategies=[made(**options)])
    assert torn.resumed_at == 4 and torn.history == whole.history
    assert all(torch.equal(wanted[key], value) for key, value in run.weights().items())


def test_the_best_weights_are_those_that_earn_most(run: Run) -> None:
    from tunesmith.bundle.predictor import Predictor
    from tunesmith.bundle.runtimes.torch import TorchRuntime

    model, strategy = run.fresh(), made(validated=5)
    begun(run, strategy, model, validation=run.rows)
    predictor = Predictor(run.task, run.processor, TorchRuntime(model), max_length=64)
    evidence = strategy.validate(predictor, run.rows, run.encode(run.rows))
    assert len(evidence["reward"]) == 5 and set(evidence["reward"].tolist()) <= {0.0, 1.0}
    metric = family("metrics").make("mean_reward")
    assert metric(evidence) == evidence["reward"].mean() and np.isnan(metric({}))


def test_a_run_that_goes_too_far_ends(run: Run) -> None:
    with pytest.raises(TrainingError, match="grpo: at step .* away from its start"):
        run.go(run.settings(epochs=8), strategies=[made(max_kl=1e-5)])


def test_rows_that_a_reward_cannot_read(run: Run) -> None:
    with pytest.raises(DataError, match='the role "answer"'):
        begun(run, made(rewards=["arithmetic"]), run.fresh())
    methods, tasks = family("methods"), family("tasks")
    judge = made(rewards=[{"name": "bundle", "path": "nowhere", "label": "x"}])
    assert "nowhere" in judge.fits(tasks.make("dialogue"), methods.make("lora"))
    assert made(rewards=["arithmetic"]).reads == ("answer",)


METHODS = [name for name in sorted(family("methods")) if not family("methods").load(name).frozen_backbone]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_that_is_for_writers(llama: Path, tmp_path: Path, method: str) -> None:
    """Conversations: preferences and rewards, two steps each."""
    from transformers import AutoConfig

    run = Run(llama, tmp_path, TALKS, task=family("tasks").make("dialogue", {"max_new_tokens": 4}))
    if why := family("methods").make(method).fits(run.task, AutoConfig.from_pretrained(run.reference.path)):
        pytest.skip(why)
    settings = run.settings(max_steps=2, optimizer=OptimizerSettings(1e-2))
    dpo = family("strategies").make("dpo", {"max_kl": 1e6})
    for name, strategy in (("dpo", dpo), ("grpo", made(beta=0.1))):
        trained = run.go(settings, name=name, method=method, strategies=[strategy])
        assert trained.facts[name]["kl"] > 0 and all(torch.isfinite(p).all() for p in run.model.parameters())
    assert dpo._start["training"].total.shape == (len(run.rows), 2)
