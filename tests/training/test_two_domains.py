"""Labelled rows of one domain, rows without labels of another: CORAL and domain-adversarial training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tunesmith.core.contracts import Strategy
from tunesmith.core.errors import RecipeError
from tunesmith.core.registry import family
from tunesmith.models.tensors import tensors
from tunesmith.testing import toy_rows
from tunesmith.training.optim import OptimizerSettings, adamw
from tunesmith.training.run_state import RunState
from tunesmith.training.strategies.coral import Coral, coral, covariance
from tunesmith.training.strategies.dann import Dann, domain_loss, reversed_gradient, strength
from tunesmith.training.strategies.head_inputs import head_inputs, of_texts
from tunesmith.training.strategies.order import ordered
from tunesmith.training.strategies.uda import Uda

TARGET = [{"text": row["text"]} for row in toy_rows("zh", 24, seed=5)]


def prepared(run: Any, strategy: Strategy, model: Any) -> RunState:
    """As the loop does before its first step."""
    made = RunState(
        model, run.task, adamw(model, OptimizerSettings(1e-3)), lambda loss: loss.backward(),
        processor=run.processor, features=run.features, indices=range(6), total_steps=10,
    )  # fmt: skip
    strategy.prepare(made)
    strategy.data(run.features)
    strategy.start(made)
    return made


def compute(run: Any) -> Any:
    def computed(model: Any, batch: Any) -> Any:
        outputs = run.task.forward(model, batch)
        return run.task.loss(outputs, batch), outputs

    return computed


def vectors_of(run: Any, model: Any, features: Any) -> torch.Tensor:
    batch = tensors(run.task.collate(features, run.processor))
    with torch.no_grad(), head_inputs(model.eval()) as read:
        run.task.forward(model, batch)
    return of_texts(read[0], batch["attention_mask"])


class TestFormulas:
    def test_covariance_is_numpys(self) -> None:
        vectors = torch.randn(7, 4, generator=torch.Generator().manual_seed(1)) * 3 + 5
        torch.testing.assert_close(covariance(vectors), torch.cov(vectors.T))

    def test_coral_by_hand(self) -> None:
        source, target = torch.tensor([[1.0, 0.0], [-1.0, 0.0]]), torch.tensor([[5.0, 7.0], [5.0, 9.0]])
        # [[2, 0], [0, 0]] against [[0, 0], [0, 2]], and d is 2: (4 + 4) / 16
        assert float(coral(source, target)) == 0.5
        assert float(coral(source, source + 9.0)) == 0.0, "where they stand does not count"

    def test_one_row_varies_in_nothing(self) -> None:
        source = torch.randn(1, 3, requires_grad=True)
        found = coral(source, torch.randn(4, 3))
        found.backward()  # type: ignore[no-untyped-call]
        assert float(found.detach()) == 0.0 and source.grad is not None and not source.grad.any()

    def test_the_gradient_is_reversed_and_the_value_is_not(self) -> None:
        vectors = torch.randn(3, 4, requires_grad=True)
        found = reversed_gradient(vectors, 0.3)
        assert torch.equal(found, vectors)
        (found * 2).sum().backward()  # type: ignore[no-untyped-call]
        torch.testing.assert_close(vectors.grad, torch.full((3, 4), -0.6))

    def test_strength_grows_from_nothing_to_one(self) -> None:
        assert strength(0.0) == 0.0 and strength(1.0) == pytest.approx(0.9999, abs=1e-4)
        assert strength(0.1) == pytest.approx(0.46212, abs=1e-5), "2 / (1 + 1 / e) - 1"

    def test_each_domain_weighs_alike(self) -> None:
        logits = torch.tensor([0.0, 2.0, -1.0])
        sigmoid = torch.sigmoid(logits)
        wanted = (-(1 - sigmoid[:2]).log()).mean() - sigmoid[2].log()
        torch.testing.assert_close(domain_loss(logits, 2), wanted)

    def test_a_causal_models_text_is_its_last_token(self) -> None:
        states = torch.arange(24.0).reshape(2, 4, 3)
        mask = torch.tensor([[1, 1, 1], [1, 0, 0]])  # of four vectors, one is of a method's own token
        assert of_texts(states, mask).tolist() == [states[0, 3].tolist(), states[1, 1].tolist()]
        assert of_texts(states[:, 0].bfloat16(), mask).dtype == torch.float32


def test_coral_compares_the_batch_with_drawn_rows_of_the_target(run: Any) -> None:
    model, values = run.fresh(0.0).train(), compute(run)
    strategy = Coral(rows=TARGET, weight=1.0)
    prepared(run, strategy, model)
    batch = tensors(run.task.collate(run.features[:6], run.processor))
    seen: list[torch.Tensor] = []
    handle = model.classifier.register_forward_pre_hook(lambda module, read: seen.append(read[0]))
    _, outputs = strategy.loss(values)(model, batch)
    handle.remove()
    assert [len(vectors) for vectors in seen] == [6, 6] and len(outputs.logits) == 6
    strategy.weight = 1 / float(coral(*seen).detach())  # the vectors of an untrained one hardly differ
    plain, _ = values(model, batch)
    torch.testing.assert_close(strategy.loss(values)(model, batch)[0], plain + 1)
    evaluated, _ = strategy.loss(values)(model.eval(), batch)
    torch.testing.assert_close(evaluated, values(model, batch)[0])


def test_coral_brings_the_domains_together(run: Any) -> None:
    """English is the source, Chinese the target: seen as a whole, they vary more alike."""
    run.features = run.features[:40]
    chinese = run.task.encode(TARGET, run.processor, max_length=48, targets=False)
    far = []
    for i, weight in enumerate((0.0, 1000.0)):
        settings = run.settings(epochs=60, batch_size=20, optimizer=OptimizerSettings(4e-3))
        run.go(settings, name=f"n{i}", dropout=0.0, strategies=[Coral(rows=TARGET, weight=weight)])
        print("R", run.right())
        assert run.right() >= 0.9
        one, other = vectors_of(run, run.model, run.features), vectors_of(run, run.model, chinese)
        # as a share of what there is, so that vectors which only shrink are no nearer
        share = (covariance(one) - covariance(other)).norm() / (covariance(one).norm() + covariance(other).norm())
        far.append(float(share))
    print("FAR", far)
    assert far[1] < 0.5 * far[0]


class TestDann:
    def test_the_classifier_learns_and_the_backbone_unlearns(self, run: Any) -> None:
        """One batch: the domain classifier's gradient is its own, the backbone's is turned round and weighed."""
        gradients = []
        for weight in (1.0, 0.5):
            model, values = run.fresh(0.0).train(), compute(run)
            strategy = Dann(rows=TARGET, weight=weight)
            made = prepared(run, strategy, model)
            made.step = 10
            batch = tensors(run.task.collate(run.features[:6], run.processor))
            values(model, batch)[0].backward()
            plain = model.bert.encoder.layer[0].output.dense.weight.grad.clone()
            model.zero_grad()
            strategy.loss(values)(model, batch)[0].backward()
            own = strategy.classifier[0].weight.grad.clone()
            gradients.append((own, model.bert.encoder.layer[0].output.dense.weight.grad - plain))
        torch.testing.assert_close(gradients[0][0], gradients[1][0])
        torch.testing.assert_close(gradients[0][1], 2 * gradients[1][1], atol=1e-6, rtol=1e-3)
        assert gradients[0][1].abs().max() > 1e-6

    def test_its_weights_move_with_the_runs_optimizer_and_are_in_no_model(self, run: Any) -> None:
        strategy, rates, starts = Dann(rows=TARGET, rate=3e-3), [], []

        class Look(Strategy):
            name, summary = "look", "for tests"

            def start(self, run: Any) -> None:
                starts.append(strategy.classifier[0].weight.detach().clone())

            def on_step(self, run: Any) -> None:
                rates.append(run.optimizer.param_groups[-1]["lr"])

        trained = run.go(run.settings(epochs=1), fast=True, strategies=[strategy, Look()])
        assert not torch.equal(strategy.classifier[0].weight, starts[0])
        assert max(rates) == pytest.approx(3e-3) and rates[-1] < max(rates), "its own rate, on the run's schedule"
        noted = [entry["learning_rate"] for entry in trained.history if "learning_rate" in entry]
        assert max(noted) <= 2e-3, "what is noted is the model's"
        assert set(run.weights()) == {name for name, _ in run.fresh().named_parameters()}

    def test_the_backbones_step_raises_the_domain_loss_and_the_classifiers_lowers_it(self, run: Any) -> None:
        model, values, told = run.fresh(0.0).train(), compute(run), []
        with torch.no_grad():
            model.bert.pooler.dense.weight.mul_(30)  # untrained, so small a model has one vector for all texts
        strategy = Dann(rows=TARGET, weight=1.0)
        made = prepared(run, strategy, model)
        made.step = 10
        batch, added = tensors(run.task.collate(run.features[:6], run.processor)), strategy.apart

        def loss() -> torch.Tensor:
            """What the strategy adds, alone."""
            kept: list[torch.Tensor] = []
            strategy.apart = lambda *both: kept.append(added(*both)) or kept[0]  # type: ignore[func-returns-value, method-assign]
            strategy.loss(values)(model, batch)
            return kept[0]

        for moved in (list(model.bert.parameters()), list(strategy.classifier.parameters())):
            start = [p.detach().clone() for p in moved]
            before = loss()
            gradients = torch.autograd.grad(before, moved, allow_unused=True)
            there = [g for g in gradients if g is not None]
            length = torch.stack([g.square().sum() for g in there]).sum().sqrt()
            assert float(length) > 0
            with torch.no_grad():
                for p, g in zip(moved, gradients, strict=True):
                    if g is not None:
                        p.sub_(1e-3 * g / length)
                told.append(float(loss() - before))
                for p, was in zip(moved, start, strict=True):
                    p.copy_(was)
        assert told[0] > 1e-5 and told[1] < -1e-5

    def test_the_source_is_still_learned(self, run: Any) -> None:
        run.features = run.features[:40]
        settings = run.settings(epochs=60, batch_size=20, optimizer=OptimizerSettings(1e-3))
        run.go(settings, dropout=0.0, strategies=[Dann(rows=TARGET, rate=1e-2)])
        assert run.right() >= 0.9

    @pytest.mark.parametrize("name", ["dann", "coral"])
    def test_without_weight_a_run_is_the_plain_one(self, run: Any, same: Any, name: str) -> None:
        settings = run.settings(epochs=1)
        run.go(settings, name="plain", fast=True)
        wanted = run.weights()
        strategy = family("strategies").make(name, {"rows": TARGET, "weight": 0})
        run.go(settings, name="nothing", fast=True, strategies=[strategy])
        assert same(wanted, run.weights())


def test_the_labelled_batch_is_the_source_also_beside_passes_over_other_rows(run: Any) -> None:
    """uda computes rows without labels within; what is compared is the first pass."""
    model = run.fresh(0.0).train()
    strategy, other = Coral(rows=TARGET), Uda(rows=TARGET[:3], threshold=0.0)
    assert [s.name for s in ordered([strategy, other])] == ["uda", "coral"]
    prepared(run, other, model)
    prepared(run, strategy, model)
    batch, sources = tensors(run.task.collate(run.features[:6], run.processor)), []
    strategy.apart = lambda source, target: sources.append(source) or source.sum() * 0  # type: ignore[method-assign, func-returns-value]
    strategy.loss(other.loss(compute(run)))(model, batch)
    torch.testing.assert_close(sources[0], vectors_of(run, model, run.features[:6]))


def test_rows_are_read_from_a_file_and_labels_are_not_looked_at(run: Any, tmp_path: Path) -> None:
    file = tmp_path / "target.csv"
    file.write_text("review,label\n" + "\n".join(f'"{row["text"]}",nobody knows' for row in TARGET), "utf-8")
    strategy = Coral(str(file), columns={"text": "review"})
    prepared(run, strategy, run.fresh())
    assert {feature["row"] for feature in strategy._target} == set(range(len(TARGET)))
    assert all("target" not in feature for feature in strategy._target)


def test_what_does_not_fit_is_refused_with_the_reason() -> None:
    head, full = family("methods").make("head"), family("methods").make("full")
    task = family("tasks").make("text-classification")
    for kind in (Coral, Dann):
        assert "finished vectors" in str(kind(rows=TARGET).fits(task, head))
        assert "none, or several" in str(kind(rows=TARGET).fits(family("tasks").make("token-classification"), full))
        assert "path=FILE" in str(kind().fits(task, full)) and kind(rows=TARGET).fits(task, full) is None
    with pytest.raises(RecipeError, match="coral and dann exclude each other"):
        ordered([Coral(rows=TARGET), Dann(rows=TARGET)])
