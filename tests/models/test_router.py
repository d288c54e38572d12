"""The router by hand values, and texts that are computed in groups and put back in order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tunesmith.models.router import Router, Seen, also, seen, whitening


def test_what_is_kept_of_a_task() -> None:
    x = torch.tensor([[0.0, 0.0], [2.0, 0.0], [5.0, 1.0]])
    found = seen(x, ["a", "a", "b"], 3)
    assert found.means.tolist() == [[1.0, 0.0], [5.0, 1.0]] and found.counts.tolist() == [2.0, 1.0]
    assert found.routes.tolist() == [3, 3] and found.scatter.tolist() == [[2.0, 0.0], [0.0, 0.0]]


def test_two_tasks_are_as_if_seen_together() -> None:
    x = torch.randn(40, 5, generator=torch.Generator().manual_seed(1))
    names = [i % 4 for i in range(40)]
    whole = seen(x, names, 0)
    halves = also(
        *(seen(x[[i for i in range(40) if i % 4 // 2 == h]], [n for n in names if n // 2 == h], h) for h in (0, 1))
    )
    assert torch.allclose(whole.scatter, halves.scatter) and torch.allclose(whole.means, halves.means)
    assert halves.routes.tolist() == [0, 0, 1, 1]


def test_the_distance_is_mahalanobis() -> None:
    x = torch.randn(50, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    scatter = x.T @ x
    w = whitening(scatter, 50, shrinkage=0.0)
    by_hand = x[0] @ torch.linalg.inv(scatter / 50) @ x[0]
    assert float((x[0] @ w).square().sum()) == pytest.approx(float(by_hand), rel=1e-4)
    assert torch.isfinite(whitening(torch.zeros(3, 3), 10)).all(), "rows that are all alike"


def test_the_covariance_counts() -> None:
    """By plain distance (3, 0) is nearer to the first mean; but along the first axis classes are wide."""
    wide = torch.tensor([[100.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    means = torch.tensor([[0.0, 2.5], [5.0, 0.0]], dtype=torch.float64)
    router = Router(Seen(means, torch.tensor([50.0, 50.0]).double(), torch.tensor([0, 1]), wide * 100))
    plain = Router(Seen(means, torch.tensor([50.0, 50.0]).double(), torch.tensor([0, 1]), torch.eye(2).double() * 100))
    place = torch.tensor([[1.0, 0.5]])
    assert plain(place).tolist() == [0] and router(place).tolist() == [1]


def test_a_router_stays_on_the_cpu() -> None:
    torch.manual_seed(0)
    vectors = torch.randn(12, 4)
    router = Router(seen(vectors, ["a", "b"] * 6, 0))
    model = torch.nn.Sequential(router).to("meta").half()
    assert router.whiten.device.type == "cpu" and router.whiten.dtype == torch.float64
    assert model(vectors).tolist() == [0] * 12


def test_texts_go_to_their_adapters_and_back(tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification

    from tunesmith.models.heads import mean
    from tunesmith.models.routed import NEVER, Routed, with_head_for
    from tunesmith.testing import tiny_bert, toy_rows

    folder = tiny_bert(tmp_path / "model", texts=[row["text"] for row in toy_rows("en", 20)])
    base: Any = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2).eval()
    mean.append(base)
    other = with_head_for(base, ["a", "b", "c"]).eval()
    shared = dict(base.named_parameters())
    assert all((p is shared[n]) == ("classifier" not in n and "pooler" not in n) for n, p in other.named_parameters())
    assert base.config.num_labels == 2 and other.config.num_labels == 3

    class Alternates(torch.nn.Module):
        def forward(self, vectors: torch.Tensor) -> torch.Tensor:
            assert vectors.shape == (4, 2 * base.config.hidden_size)
            return torch.arange(len(vectors)) % 2

    routed = Routed(base, [other], Alternates())  # type: ignore[arg-type]
    inputs = {"input_ids": torch.arange(5, 25).reshape(4, 5), "attention_mask": torch.ones(4, 5, dtype=torch.long)}
    for shortened in (False, True):
        if shortened:
            mean.shorten(routed)
        with torch.inference_mode():
            found, own, beside = routed(**inputs), base(**inputs).logits, other(**inputs).logits
        assert found.route.tolist() == [0, 1, 0, 1] and found.logits.shape == (4, 3)
        assert torch.equal(found.logits[::2, :2], own[::2]) and (found.logits[::2, 2] == NEVER).all()
        assert torch.allclose(found.logits[1::2], beside[1::2], atol=1e-5)
