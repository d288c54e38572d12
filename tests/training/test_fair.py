"""A gap between groups as a part of the loss: the formula, and what it does to a tiny model."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tunesmith.core.errors import DataError
from tunesmith.core.registry import family
from tunesmith.models.tensors import tensors
from tunesmith.testing import toy_rows
from tunesmith.training.optim import OptimizerSettings
from tunesmith.training.strategies.fair import Fair, compared, squared_gap
from tunesmith.training.strategies.pseudo_labels import PseudoLabels


def test_by_hand() -> None:
    means = torch.tensor([[0.1, 0.9], [0.4, 0.6], [0.9, 0.1], [0.0, 0.0]])
    known = torch.tensor([True, True, True, False])
    assert float(squared_gap(means, known)) == pytest.approx((0.3**2 + 0.5**2 + 0.8**2) / 3)
    assert float(squared_gap(means, torch.tensor([True, False, False, False]))) == 0


def test_what_each_criterion_compares() -> None:
    p, wanted = torch.tensor([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]]), torch.tensor([0, 1, 1])
    values, kinds = compared(p, wanted, "demographic_parity", -1)
    assert torch.equal(values, p) and kinds.tolist() == [0, 0, 0]
    assert compared(p, wanted, "demographic_parity", 1)[0].flatten().tolist() == p[:, 1].tolist()
    values, kinds = compared(p, wanted, "equalized_odds", -1)
    torch.testing.assert_close(values.flatten(), torch.tensor([0.9, 0.5, 0.8]))
    assert kinds.tolist() == [0, 1, 1]
    assert compared(p, wanted, "equal_opportunity", 1)[1].tolist() == [-1, 0, 0]


def test_batches_gradients_add_up_to_that_of_the_squared_gap() -> None:
    """Of whole groups, however small the batches and whatever is in them."""
    draw = torch.Generator().manual_seed(2)
    p = torch.rand(100, 2, generator=draw).softmax(-1)
    wanted, groups = torch.randint(2, (100,), generator=draw), torch.tensor([0] * 60 + [1] * 40)
    for criterion in ("demographic_parity", "equalized_odds"):
        whole = p.clone().requires_grad_()
        values, kinds = compared(whole, wanted, criterion, -1)  # type: ignore[arg-type]
        parts = [
            torch.stack([values[(kinds == kind) & (groups == g)].mean(0) for g in (0, 1)])
            for kind in range(int(kinds.max()) + 1)
        ]
        both = torch.tensor([True, True])
        torch.stack([squared_gap(part, both) for part in parts]).mean().backward()  # type: ignore[no-untyped-call]
        strategy = Fair(criterion)  # type: ignore[arg-type]
        features = [{"row": i, "target": int(c)} for i, c in enumerate(wanted)]
        rows = [{"group": str(int(g))} for g in groups]
        made = SimpleNamespace(rows=rows, features=features, task=SimpleNamespace(labels=["a", "b"]))
        strategy.prepare(made)
        strategy.start(made)
        strategy.gap(p, wanted, groups)  # now the means are those of all rows
        means, seen = strategy._means, strategy._seen
        leaf = p.clone().requires_grad_()
        for chosen in torch.arange(100).split(7):
            strategy._means, strategy._seen = means, seen
            found = strategy.gap(leaf[chosen], wanted[chosen], groups[chosen])
            (found * len(chosen) / 100).backward()  # type: ignore[no-untyped-call]
        torch.testing.assert_close(leaf.grad, whole.grad)


def biased() -> list[dict[str, Any]]:
    """Rows whose label leans on their group, which the text tells: texts in Chinese are mostly positive."""
    names = {"消极": "negative", "积极": "positive"}
    rows = [{**row, "group": "en"} for row in toy_rows("en", 96)]
    rows += [{**row, "label": names[row["label"]], "group": "zh"} for row in toy_rows("zh", 96)]
    return [row for i, row in enumerate(rows) if row["group"] == "en" or row["label"] == "positive" or i % 4 == 0]


def gap(run: Any, rows: list[dict[str, Any]]) -> float:
    batch = tensors(run.task.collate(run.features, run.processor))
    with torch.no_grad():
        p = run.model.eval()(**{k: v for k, v in batch.items() if k != "labels"}).logits.softmax(-1)[:, 1]
    members = torch.tensor([row["group"] == "zh" for row in rows])
    return float((p[members].mean() - p[~members].mean()).abs())


@pytest.mark.parametrize("fast", [False, True])
def test_the_gap_closes(run: Any, fast: bool) -> None:
    rows = biased()
    run.features = run.task.encode(rows, run.processor, max_length=48, targets=True)
    found = {}
    for weight in (0.0, 5.0):
        settings = run.settings(epochs=8, optimizer=OptimizerSettings(4e-3))
        strategy = Fair("demographic_parity", weight)
        trained = run.go(settings, name=f"w{weight}{fast}", rows=rows, strategies=[strategy], fast=fast)
        found[weight] = gap(run, rows)
        assert trained.facts["fair"]["groups"] == ["en", "zh"] and "en, zh" in trained.facts["fair"]["words"]
        assert trained.facts["fair"]["gap"] == pytest.approx(found[weight], abs=0.15)
    assert found[0.0] > 0.3 and found[5.0] < 0.5 * found[0.0] and run.right() > 0.75


def test_rows_of_other_strategies_are_of_no_group(run: Any) -> None:
    strategy = Fair()
    rows = biased()
    strategy.prepare(SimpleNamespace(rows=rows))
    strategy._run = SimpleNamespace(features=[{"row": -1}, {"row": 0}], indices=[1, 0], brought=None)
    assert strategy._of_batch({"labels": torch.zeros(2)}).tolist() == [strategy._groups[0], -1]
    strategy._run.brought = [{"text": "a"}] * 3
    assert strategy._of_batch({"labels": torch.zeros(3)}).tolist() == [-1] * 3


def test_beside_pseudo_labels_the_groups_are_of_the_rows_that_are_computed(run: Any) -> None:
    rows = biased()
    run.features = run.task.encode(rows, run.processor, max_length=48, targets=True)
    bare = [{"text": row["text"]} for row in toy_rows("zh", 5, seed=5)]  # fewer than a batch
    taught = PseudoLabels(rows=bare, threshold=0.5, balance=False)
    trained = run.go(rows=rows, strategies=[Fair("demographic_parity"), taught])
    assert taught._pool and math.isfinite(trained.facts["fair"]["gap"])


def test_what_makes_no_sense_is_refused(run: Any) -> None:
    full = family("methods").make("full")
    assert Fair().fits(run.task, full) is None
    assert "label=CLASS" in str(Fair("equal_opportunity").fits(run.task, full))
    assert "take" in str(Fair(label="positive").fits(run.task, full))
    assert "classes are negative, positive" in str(Fair("demographic_parity", label="x").fits(run.task, full))
    assert "no one class" in str(Fair().fits(family("tasks").make("extractive-qa"), full))
    with pytest.raises(DataError, match="compares groups"):
        run.go(rows=[{**row, "group": "all"} for row in biased()], strategies=[Fair()])
