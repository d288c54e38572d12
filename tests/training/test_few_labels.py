"""Strategies for few labels: pairs and a fitted head, sure answers as labels, consistency on rewritten rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tunesmith.core.contracts import Strategy
from tunesmith.core.errors import DataError, RecipeError
from tunesmith.core.registry import family
from tunesmith.models.heads import output_layer
from tunesmith.models.heads.logistic import fitted
from tunesmith.tasks.text_classification import TextClassification
from tunesmith.testing import tiny_llama, toy_rows
from tunesmith.training.optim import OptimizerSettings
from tunesmith.training.strategies.contrastive import Contrastive, pair_loss, vectors_of
from tunesmith.training.strategies.order import ordered
from tunesmith.training.strategies.pseudo_labels import PseudoLabels, chosen, sureness
from tunesmith.training.strategies.uda import Uda, consistency

BARE = [{"text": row["text"]} for row in [*toy_rows("en", 16, seed=5), *toy_rows("zh", 8, seed=5)]]


def test_pair_loss_is_the_mean_squared_error_of_both_kinds_of_pairs() -> None:
    vectors = torch.tensor([[4.0, 5.0], [6.0, 5.0], [5.0, 6.0], [5.0, 4.0]])  # around (5, 5)
    labels = torch.tensor([0, 0, 1, 2])
    # the pair that is alike has cosine -1; of the others, four have 0 and one -1, which is no error
    assert float(pair_loss(vectors, labels)) == pytest.approx((4 + 0) / 2)
    wrong = torch.tensor([0, 1, 0, 2])
    assert float(pair_loss(vectors, wrong)) == pytest.approx((1 + 0) / 2)
    near = torch.tensor([[3.0, 0.0], [3.0, 0.0], [-6.0, 0.0]])
    assert float(pair_loss(near, torch.tensor([0, 1, 2]))) == pytest.approx(1 / 3), "only pairs that differ: 1, 0, 0"
    assert float(pair_loss(near[:1], labels[:1])) == 0.0


@pytest.mark.parametrize("classes", [2, 3])
def test_a_fitted_head_answers_as_logistic_regression(classes: int) -> None:
    random = np.random.default_rng(0)
    wanted = np.arange(60) % classes
    vectors = random.normal(size=(60, 5)) + 400 + 4 * np.eye(5)[wanted]
    weight, bias = fitted(vectors, wanted, classes + 1, strength=1.0)
    logits = vectors @ weight.T + bias
    assert weight.shape == (classes + 1, 5) and (logits.argmax(1) == wanted).mean() > 0.9
    assert (logits[:, -1] < -100).all(), "a class without rows is never the answer"
    from sklearn.linear_model import LogisticRegression

    plain = vectors - vectors.mean(axis=0)
    plain /= np.linalg.norm(plain, axis=1).mean()
    other = LogisticRegression(C=1.0, max_iter=1000).fit(plain, wanted)
    p = np.exp(logits[:, :classes] - logits[:, :classes].max(1, keepdims=True))
    np.testing.assert_allclose(p / p.sum(1, keepdims=True), other.predict_proba(plain), atol=1e-4)


@pytest.mark.parametrize("classes", [2, 3])
def test_a_head_without_biases_is_fitted_without(classes: int) -> None:
    random = np.random.default_rng(0)
    wanted = np.arange(60) % classes
    vectors = random.normal(size=(60, 5)) + 4 + 4 * np.eye(5)[wanted]
    weight, bias = fitted(vectors, wanted, classes + 1, centered=False)
    logits = vectors @ weight.T
    assert not bias.any() and (logits.argmax(1) == wanted).mean() > 0.9
    assert (logits[:, -1] < -100).all(), "a class without rows is never the answer"


def test_pair_loss_leads_out_of_a_narrow_cone() -> None:
    torch.manual_seed(0)
    vectors = (torch.randn(12, 8) * 0.05 + 5).requires_grad_(True)
    labels = torch.arange(12) % 3
    first = float(pair_loss(vectors, labels).detach())
    step = torch.optim.Adam([vectors], 0.02)
    for _ in range(100):
        step.zero_grad()
        pair_loss(vectors, labels).backward()
        step.step()
    assert float(pair_loss(vectors, labels).detach()) < 0.05 < first


@pytest.mark.parametrize(("share", "average"), [(1.0, "none"), (0.5, "none"), (0.5, "ema")])
def test_contrastive_leaves_the_head_that_belongs_to_the_encoder(run: Any, share: float, average: str) -> None:
    kept: dict[str, Any] = {}

    class Look(Strategy):
        name, summary = "look", "for tests"

        def start(self, run: Any) -> None:
            kept["state"] = run

    others = [] if average == "none" else [family("strategies").make(average)]
    run.go(run.settings(epochs=2, batch_size=32), fast=True, strategies=[Contrastive(share=share), Look(), *others])
    fresh = run.weights()
    run.model = run.fresh()
    assert not torch.equal(*(w["bert.encoder.layer.0.output.dense.weight"] for w in (fresh, run.weights()))), (
        "the encoder has moved"
    )
    run.model = kept["state"].model
    targets = np.array([feature["target"] for feature in run.features])
    weight, _ = fitted(vectors_of(kept["state"], run.features), targets, 2)
    left = output_layer(run.model).weight.detach().numpy()
    assert np.abs(left - weight).max() < 1e-2 * np.abs(weight).max()
    assert run.right() > 0.7


def test_contrastive_fits_its_head_before_each_evaluation(run: Any) -> None:
    seen: list[float] = []

    def evaluate() -> dict[str, float]:
        seen.append(run.right())
        return {"macro_f1": seen[-1]}

    run.go(run.settings(epochs=3, batch_size=32), evaluate=evaluate, strategies=[Contrastive()])
    assert len(seen) == 3 and run.right() == pytest.approx(max(seen)), "the best weights, with their head"
    assert min(seen) > 0.6, "a head that was never fitted answers by chance"


@pytest.fixture(scope="module")
def causal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A head that reads all tokens' vectors, and has no biases."""
    texts = [row["text"] for row in [*toy_rows("en", 40), *toy_rows("zh", 24)]]
    return tiny_llama(tmp_path_factory.mktemp("models") / "llama", texts=texts)


def test_contrastive_of_a_causal_model(causal: Path, run: Any) -> None:
    told = type(run)(causal, run.home)
    optimizer = OptimizerSettings(5e-3)
    told.go(told.settings(epochs=6, batch_size=32, optimizer=optimizer), strategies=[Contrastive(share=1.0)])
    assert told.model.score.bias is None and told.right() > 0.7


def test_supcon_of_a_causal_model(causal: Path, run: Any) -> None:
    told = type(run)(causal, run.home)
    trained = told.go(told.settings(epochs=1), strategies=[family("strategies").make("supcon", {"weight": 0.9})])
    losses = [entry["loss"] for entry in trained.history]
    assert losses and np.isfinite(losses).all()


@pytest.mark.parametrize("method", ["lora", "freeze"])
def test_contrastive_goes_with_other_methods(run: Any, method: str) -> None:
    model = family("methods").make(method).apply(run.fresh(), run.task)
    run.go(
        run.settings(epochs=6, batch_size=32, optimizer=OptimizerSettings(5e-3)),
        model=model,
        strategies=[Contrastive(loss="supcon")],
    )
    assert run.right() > 0.6


def test_what_does_not_fit_is_refused_with_the_reason() -> None:
    head, full = family("methods").make("head"), family("methods").make("full")
    tags = family("tasks").make("token-classification")
    assert "leaves as it is" in str(Contrastive().fits(TextClassification(), head))
    assert "no one class" in str(Contrastive().fits(tags, full))
    assert Contrastive().fits(TextClassification(), full) is None
    assert "path=FILE" in str(PseudoLabels().fits(tags, full))
    assert PseudoLabels(rows=BARE).fits(tags, head) is None
    assert "cannot be taken" in str(PseudoLabels(rows=BARE).fits(family("tasks").make("text-regression"), full))
    assert "rewriting moves" in str(Uda(rows=BARE).fits(tags, full))
    assert "path=FILE" in str(Uda().fits(TextClassification(), full))
    with pytest.raises(RecipeError, match="contrastive and r_drop exclude"):
        ordered([Contrastive(), family("strategies").make("r_drop")])


def test_sureness_and_balance() -> None:
    answers = [{"label": "a", "score": s} for s in (0.99, 0.95, 0.97, 0.4)] + [{"label": "b", "score": 0.92}]
    assert chosen(answers, 0.9) == [0, 1, 2, 4]
    assert chosen(answers, 0.9, {"a": 0.25, "b": 0.75}) == [0, 2, 4], "the two surest of a: 1.5 * 0.25 * 4, rounded up"
    assert sureness({"labels": ["x"], "scores": {"x": 0.9, "y": 0.2}}) == pytest.approx(0.8)


def test_pseudo_labels_join_the_batches_after_the_first_epoch(run: Any, tmp_path: Path) -> None:
    file = tmp_path / "bare.csv"
    file.write_text("text\n" + "\n".join(f'"{row["text"]}"' for row in BARE), "utf-8")
    strategy = PseudoLabels(str(file), threshold=0.51, weight=1.0)
    sizes: list[int] = []

    class Count(Strategy):
        name, summary = "count", "for tests"

        def loss(self, compute: Any) -> Any:
            def counted(model: Any, batch: Any) -> Any:
                sizes.append(len(batch["labels"]))
                return compute(model, batch)

            return counted

    run.go(run.settings(epochs=2), strategies=[Count(), strategy])
    assert sizes[:8] == [8] * 8, "no answers are there in the first epoch"
    assert len(sizes) == 24 and 0 < sizes[9] <= 8
    state = strategy.state()
    assert 0 < len(state["targets"]) <= len(BARE)
    assert {target for _, target in state["targets"]} <= set(run.task.labels)
    again = PseudoLabels(rows=BARE, threshold=0.51)
    again._run, again._rows, again._features = strategy._run, strategy._rows, strategy._features
    again.load_state(state)
    assert [f["target"] for f in again._pool] == [f["target"] for f in strategy._pool]


def test_rows_without_text_are_an_error(tmp_path: Path) -> None:
    file = tmp_path / "none.csv"
    file.write_text("text\n", "utf-8")
    with pytest.raises(DataError):
        from tunesmith.training.strategies.unlabelled import unlabelled_rows

        unlabelled_rows(TextClassification(), str(file), None, {}, "uda")


def test_consistency_is_the_divergence_of_sure_answers() -> None:
    logits = torch.tensor([[3.0, 0.0], [0.1, 0.0]], requires_grad=True)
    others = torch.tensor([[1.0, 0.0], [0.0, 9.0]], requires_grad=True)
    p = torch.softmax(logits.detach()[0] / 0.5, -1)
    q = torch.softmax(others.detach()[0], -1)
    expected = float((p * (p / q).log()).sum()) / 2
    found = consistency(logits, others, threshold=0.8, temperature=0.5)
    assert float(found.detach()) == pytest.approx(expected, rel=1e-5)
    found.backward()
    assert logits.grad is None and others.grad is not None and not others.grad[1].any(), "the second is not sure"


def test_uda_adds_the_consistency_of_rewritten_rows(run: Any) -> None:
    strategy = Uda(rows=BARE, threshold=0.0, copies=2, rate=0.5)
    with_it = run.settings(epochs=1, optimizer=OptimizerSettings(2e-3))
    run.go(with_it, name="uda", strategies=[strategy], fast=True)
    changed = run.weights()
    run.go(with_it, name="plain", fast=True)
    assert any(not torch.equal(weight, changed[name]) for name, weight in run.weights().items())
    assert len(strategy._texts) == len(BARE) and len(strategy._rewritten) == 2
    different = [
        not np.array_equal(a["input_ids"], b["input_ids"])
        for a, b in zip(strategy._texts, strategy._rewritten[0], strict=True)
    ]
    assert np.mean(different) > 0.6
