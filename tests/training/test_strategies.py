"""What each strategy adds to the loss or the gradient, and in which order they stand."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tunesmith.core.contracts import Strategy
from tunesmith.core.errors import RecipeError
from tunesmith.models.heads.vectors import head_on_vectors
from tunesmith.models.tensors import tensors
from tunesmith.training.kernels import fast_training
from tunesmith.training.loop import RunState
from tunesmith.training.optim import OptimizerSettings
from tunesmith.training.strategies.fgm import Fgm, perturbation
from tunesmith.training.strategies.order import ordered
from tunesmith.training.strategies.r_drop import RDrop


def state(run: Any, model: Any) -> RunState:
    return RunState(model, run.task, None, lambda loss: loss.backward())


def compute(run: Any) -> Any:
    def computed(model: Any, batch: Any) -> Any:
        outputs = model(**{key: value for key, value in batch.items() if key != "labels"})
        return run.task.loss(outputs, batch), outputs

    return computed


def test_perturbation_is_epsilon_in_the_gradients_direction() -> None:
    gradient = torch.randn(5, 3)
    found = perturbation(gradient, 0.25)
    torch.testing.assert_close(found, 0.25 * gradient / gradient.norm())
    assert float(found.norm()) == pytest.approx(0.25)
    for odd in (torch.zeros(2, 2), torch.tensor([float("nan"), 1.0]), torch.tensor([float("inf")])):
        assert torch.equal(perturbation(odd, 0.25), torch.zeros_like(odd))


@pytest.mark.parametrize("fast", [True, False])
def test_fgm_adds_the_gradient_at_the_moved_embeddings(run: Any, fast: bool) -> None:
    model, batch = run.fresh(0.0).train(), tensors(run.task.collate(run.features[:6], run.processor))
    used = torch.cat([torch.from_numpy(f["input_ids"]) for f in run.features[:6]]) if fast else None
    with fast_training(model, used, "cpu"):
        made, values = state(run, model), compute(run)
        weight = made.embedding().weight
        clean = weight.detach().clone()
        values(model, batch)[0].backward()
        one = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
        with torch.no_grad():
            weight.add_(perturbation(one[next(n for n, p in model.named_parameters() if p is weight)], 0.5))
        model.zero_grad()
        values(model, batch)[0].backward()
        other = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
        with torch.no_grad():
            weight.copy_(clean)
        model.zero_grad()
        values(model, batch)[0].backward()
        strategy = Fgm(0.5)
        strategy.start(made)
        strategy.after_backward(made, batch, values)
        assert torch.equal(weight, clean), "put back, to the bit"
        for name, p in model.named_parameters():
            if p.grad is not None:
                torch.testing.assert_close(p.grad, one[name] + other[name], atol=1e-6, rtol=1e-4)
        assert (one["classifier.weight"] - other["classifier.weight"]).abs().max() > 1e-6


@pytest.mark.parametrize("method", ["freeze", "lora"])
def test_fgm_moves_a_table_that_is_not_trained_by_the_same_formula(run: Any, method: str) -> None:
    from tunesmith.core.registry import family

    batch = tensors(run.task.collate(run.features[:6], run.processor))
    values, gradients = compute(run), []
    for frozen in (False, True):
        torch.manual_seed(0)
        model = family("methods").make(method).apply(run.fresh(0.0), run.task).train()
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        made = state(run, model)
        weight = made.embedding().weight
        assert not weight.requires_grad
        weight.requires_grad_(not frozen)
        clean = weight.detach().clone()
        strategy = Fgm(0.5)
        strategy.start(made)
        wrapped = strategy.loss(values)
        wrapped(model, batch)[0].backward()
        once = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
        strategy.after_backward(made, batch, wrapped)
        assert torch.equal(weight, clean) and not made.embedding()._forward_hooks
        gradients.append({n: p.grad for n, p in model.named_parameters() if p.grad is not None and p is not weight})
        assert any(not torch.allclose(gradients[-1][n], 2 * once[n]) for n in gradients[-1]), "a second, other pass"
    trained, untrained = gradients
    assert trained.keys() == untrained.keys()
    for name, gradient in untrained.items():
        torch.testing.assert_close(gradient, trained[name], atol=1e-6, rtol=1e-3)


def test_fgm_moves_against_the_loss_of_its_own_batch(run: Any) -> None:
    """Gradients of the step's earlier batches are in the table's, and are none of this batch's direction."""
    model, values = run.fresh(0.0).train(), compute(run)
    batches = [tensors(run.task.collate(run.features[i : i + 6], run.processor)) for i in (0, 6, 12)]
    made = state(run, model)
    weight, seen = made.embedding().weight, []

    def looked(model: Any, batch: Any) -> Any:
        seen.append(weight.detach().clone())
        return values(model, batch)

    strategy = Fgm(0.5)
    strategy.start(made)
    wrapped = strategy.loss(looked)
    for batch in batches:
        wrapped(model, batch)[0].backward()
        strategy.after_backward(made, batch, wrapped)
    clean = weight.detach().clone()
    for i, batch in enumerate(batches):
        model.zero_grad()
        values(model, batch)[0].backward()
        moved = seen[2 * i + 1] - clean
        assert torch.equal(seen[2 * i], clean)
        torch.testing.assert_close(moved, perturbation(weight.grad, 0.5), atol=1e-5, rtol=1e-3)


def test_fgm_says_where_it_could_do_nothing(run: Any) -> None:
    with pytest.raises(RecipeError, match="a head on finished vectors"):
        Fgm().start(state(run, head_on_vectors(run.fresh())))


def test_fgm_weighs_a_batch_as_the_loop_does(run: Any) -> None:
    """With gradients accumulated, the moved pass is divided as the clean one is."""
    norms: list[float] = []

    class Look(Strategy):
        name, summary = "look", "for tests"

        def after_backward(self, run: Any, batch: Any, compute: Any) -> None:
            norms.append(float(run.model.classifier.weight.grad.norm()))

    run.features = [run.features[0]] * 32
    still = OptimizerSettings(1e-12)
    for accumulate in (1, 4):
        settings = run.settings(epochs=1, accumulate=accumulate, optimizer=still)
        run.go(settings, name=f"a{accumulate}", dropout=0.0, strategies=[Fgm(0.01), Look()])
    assert norms[3] == pytest.approx(norms[7], rel=1e-2), "four alike batches in one step: the mean of four"


def test_r_drop_is_the_mean_loss_and_the_divergence(run: Any) -> None:
    model, batch = run.fresh(0.3).train(), tensors(run.task.collate(run.features[:6], run.processor))
    strategy, values = RDrop(alpha=2.0), compute(run)
    strategy.start(state(run, model))
    torch.manual_seed(3)
    found, _ = strategy.loss(values)(model, batch)
    torch.manual_seed(3)
    (one, first), (other, second) = values(model, batch), values(model, batch)
    assert not torch.equal(first.logits, second.logits)
    torch.testing.assert_close(found, (one + other) / 2 + 2.0 * run.task.divergence(first, second))
    plain, _ = strategy.loss(values)(model.eval(), batch)
    torch.testing.assert_close(plain, values(model, batch)[0])


def test_together_they_run_and_learn(run: Any) -> None:
    settings = run.settings(epochs=14, optimizer=OptimizerSettings(4e-3))
    trained = run.go(settings, fast=True, strategies=ordered([Fgm(0.1), RDrop(0.5)]))
    assert trained.steps == 112 and run.right() >= 0.9


def test_order_is_data() -> None:
    class Other(Strategy):
        name, summary = "other", "for tests"

    found = ordered([Other(), Fgm(), RDrop()])
    assert [strategy.name for strategy in found] == ["r_drop", "fgm", "other"]
    with pytest.raises(RecipeError, match='names "fgm" twice'):
        ordered([Fgm(), RDrop(), Fgm(0.1)])


def test_strategies_that_exclude_each_other_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    from tunesmith.training.strategies import order

    monkeypatch.setattr(order, "CLASHES", {frozenset({"fgm", "r_drop"}): "for a test."})
    with pytest.raises(RecipeError, match="fgm and r_drop exclude each other: for a test."):
        ordered([Fgm(), RDrop()])
