"""The losses of preferences and rewards against values made by hand."""

from __future__ import annotations

import math

import pytest
import torch

from tunesmith.training.strategies.policy import advantages, clipped_gain, divergence_estimate, per_answer
from tunesmith.training.strategies.preferred import dpo_loss, kto_drift, kto_loss, kto_weights, log_odds, orpo_loss


def s(x: float) -> float:
    return 1 / (1 + math.exp(-x))


class TestDpo:
    def test_the_value_and_both_gradients(self) -> None:
        chosen = torch.tensor([1.0, -2.0], requires_grad=True)
        rejected = torch.tensor([0.5, 1.0], requires_grad=True)
        found = dpo_loss(chosen, rejected, 0.2)
        assert found.tolist() == pytest.approx([-math.log(s(0.1)), -math.log(s(-0.6))])
        found.sum().backward()  # type: ignore[no-untyped-call]
        wanted = [-0.2 * s(-0.1), -0.2 * s(0.6)]  # eq. 7's gradient: how wrong the margin is
        assert chosen.grad is not None and chosen.grad.tolist() == pytest.approx(wanted)
        assert rejected.grad is not None and rejected.grad.tolist() == pytest.approx([-x for x in wanted])

    def test_at_the_start_it_is_log_two_whatever_the_strength(self) -> None:
        zero = torch.zeros(3)
        for beta in (0.01, 1.0):
            assert dpo_loss(zero, zero, beta, 0.2).tolist() == pytest.approx([math.log(2)] * 3)

    def test_smoothing_has_a_margin_that_is_enough(self) -> None:
        margin = torch.linspace(-20, 20, 2001)
        best = margin[dpo_loss(margin, torch.zeros(2001), 1.0, 0.1).argmin()]
        assert float(best) == pytest.approx(math.log(0.9 / 0.1), abs=0.02)


class TestOrpo:
    def test_odds_of_a_half_are_even(self) -> None:
        found = log_odds(torch.tensor([math.log(0.5), math.log(0.8), 0.0]))
        assert found[:2].tolist() == pytest.approx([0.0, math.log(4)], abs=1e-6) and bool(torch.isfinite(found).all())

    def test_the_value(self) -> None:
        found = orpo_loss(torch.tensor([math.log(0.8)]), torch.tensor([math.log(0.2)]))
        assert float(found) == pytest.approx(-math.log(s(math.log(16))))


class TestKto:
    def test_the_value_of_both_kinds(self) -> None:
        found = kto_loss(torch.tensor([2.0, 2.0]), torch.tensor([True, False]), torch.tensor(0.5), 0.1, (1.0, 0.5))
        assert found.tolist() == pytest.approx([1 - s(0.15), 0.5 * (1 - s(-0.15))])

    def test_nothing_flows_through_the_drift_and_it_is_never_below_zero(self) -> None:
        mismatched = torch.tensor([-3.0, 1.0], requires_grad=True)
        assert float(kto_drift(mismatched)) == 0.0 and not kto_drift(mismatched).requires_grad
        assert float(kto_drift(torch.tensor([1.0, 3.0]))) == 2.0

    def test_both_kinds_count_alike(self) -> None:
        one, other = kto_weights(30, 120)
        assert one * 30 == other * 120 and max(one, other) == 1.0


class TestPolicy:
    def test_advantages_are_of_the_group(self) -> None:
        rewards = torch.tensor([[1.0, 0.0, 0.0, 1.0], [2.0, 2.0, 2.0, 2.0]])
        found = advantages(rewards)
        torch.testing.assert_close(found[0], torch.tensor([1.0, -1.0, -1.0, 1.0]), atol=1e-3, rtol=0)
        assert not found[1].any(), "a group without a difference teaches nothing"
        assert advantages(rewards, scaled=False)[0].tolist() == [0.5, -0.5, -0.5, 0.5]

    def test_a_gain_is_clipped_and_a_loss_is_not(self) -> None:
        then, more, less = torch.zeros(1), torch.tensor([math.log(2.0)]), torch.tensor([math.log(0.5)])
        up, down = torch.ones(1), -torch.ones(1)
        assert float(clipped_gain(more, then, up, 0.2, 0.3)) == pytest.approx(1.3)
        assert float(clipped_gain(less, then, up, 0.2, 0.3)) == pytest.approx(0.5)
        assert float(clipped_gain(less, then, down, 0.2, 0.3)) == pytest.approx(-0.8)
        assert float(clipped_gain(more, then, down, 0.2, 0.3)) == pytest.approx(-2.0)

    def test_where_nothing_moved_the_gradient_is_the_advantage(self) -> None:
        now = torch.tensor([-1.0, -2.0], requires_grad=True)
        gain = clipped_gain(now, now.detach(), torch.tensor([0.7, -0.4]), 0.2, 0.2)
        gain.sum().backward()  # type: ignore[no-untyped-call]
        assert now.grad is not None and now.grad.tolist() == pytest.approx([0.7, -0.4])

    def test_the_estimate_is_the_divergence_on_average(self) -> None:
        torch.manual_seed(1)
        p, q = (torch.log_softmax(torch.randn(8), -1) for _ in range(2))
        drawn = torch.multinomial(p.exp(), 200_000, replacement=True)
        each = divergence_estimate(p[drawn], q[drawn])
        assert bool((each >= 0).all())
        assert float(each.mean()) == pytest.approx(float((p.exp() * (p - q)).sum()), rel=0.03)

    def test_each_answer_weighs_alike_or_by_its_length(self) -> None:
        values = torch.tensor([1.0, 3.0, 5.0])
        assert per_answer(values, [2, 1]).tolist() == [2.0, 5.0]
        assert per_answer(values, [2, 1], length=4).tolist() == [1.0, 1.25]
        assert per_answer(values[:2], [2, 0]).tolist() == [2.0, 0.0]
