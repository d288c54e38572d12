"""In fp16 gradients that strategies take themselves do not vanish, and come back in their own size."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tunesmith.training.strategies.gradients import gradients
from tunesmith.training.strategies.multi_task import MultiTask


class Half(torch.autograd.Function):
    """A layer whose gradient goes through fp16."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *outer: torch.Tensor) -> Any:
        return outer[0].half().float()


def scaled(scale: float) -> Any:
    return SimpleNamespace(scale=lambda: scale)


@pytest.mark.parametrize("slope", [1e-9, 1.0, 100.0])
def test_neither_too_small_nor_too_large_for_fp16(slope: float) -> None:
    weight, other = torch.ones(3, requires_grad=True), torch.ones(1, requires_grad=True)
    loss = (Half.apply(weight) * slope).sum()  # type: ignore[no-untyped-call]
    found, nothing = gradients(scaled(65536.0), loss, [weight, other])
    assert found is not None and nothing is None
    torch.testing.assert_close(found, torch.full((3,), slope), rtol=1e-2, atol=0)
    plain = gradients(scaled(1.0), (Half.apply(weight) * slope).sum(), [weight])[0]  # type: ignore[no-untyped-call]
    assert plain is not None and bool(plain.any()) is (slope > 1e-8)


def test_weights_of_parts_are_learned_alike_in_fp16() -> None:
    found = []
    for scale in (1.0, 65536.0):
        strategy = MultiTask(balance="uncertainty", rate=0.1)
        strategy.start(SimpleNamespace(task=SimpleNamespace(parts=["a", "b"])))
        for large in (False, True):
            loss = sum((-s).exp() * 3 + s / 2 for s in strategy.log_variance.values())
            (loss.sum() * scale * (torch.inf if large else 1)).backward()  # type: ignore[union-attr]
            strategy.after_backward(scaled(scale), {}, lambda *_: (None, None))
            strategy.on_step(None)
        found.append(float(strategy.log_variance["a"].detach()))
    assert found[0] == pytest.approx(0.25) and found[1] == pytest.approx(0.25)
