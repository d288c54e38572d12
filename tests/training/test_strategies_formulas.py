"""Each strategy's formula against a value made by hand, or against torch's own."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, log_softmax, softmax

from tunesmith.core.registry import family
from tunesmith.training.strategies import l2_sp
from tunesmith.training.strategies.adversary import ascended
from tunesmith.training.strategies.conflicts import with_gradient, without_conflicts
from tunesmith.training.strategies.decisions import Decisions, decisions
from tunesmith.training.strategies.distill import alike, softened
from tunesmith.training.strategies.ema import warmed
from tunesmith.training.strategies.ewc import penalty, scaled
from tunesmith.training.strategies.freelb import weighed
from tunesmith.training.strategies.lookups import in_ball, real_tokens, unit
from tunesmith.training.strategies.mixup import mixed
from tunesmith.training.strategies.multi_task import PartLoss, by_uncertainty
from tunesmith.training.strategies.neftune import noise
from tunesmith.training.strategies.replay import drawn
from tunesmith.training.strategies.shaped_loss import class_weights, shaped
from tunesmith.training.strategies.supcon import contrastive
from tunesmith.training.strategies.teachers import columns


def one_hot(labels: list[int], classes: int) -> torch.Tensor:
    return torch.nn.functional.one_hot(torch.tensor(labels), classes).float()


class TestMoves:
    def test_a_text_has_a_direction_of_its_own(self) -> None:
        gradient = torch.stack([torch.full((2, 2), 3.0), torch.zeros(2, 2), torch.full((2, 2), float("nan"))])
        found = unit(gradient)
        assert torch.equal(found[0], torch.full((2, 2), 0.5))
        assert not found[1:].any(), "no direction: no move"

    def test_the_ball_holds_each_text(self) -> None:
        move = torch.stack([torch.full((2, 2), 3.0), torch.full((2, 2), 0.1)])
        found = in_ball(move, 2.0)
        assert float(found[0].norm()) == pytest.approx(2.0)
        assert torch.equal(found[1], move[1])

    def test_many_steps_stay_in_the_ball_and_reach_its_edge(self) -> None:
        torch.manual_seed(1)
        move, direction = torch.zeros(3, 4, 5), torch.randn(3, 4, 5)
        for step in range(1, 6):
            move = ascended(move, direction, 0.3, 1.0)
            assert move.flatten(1).norm(dim=1).tolist() == pytest.approx([min(1.0, 0.3 * step)] * 3)
        torch.testing.assert_close(move, unit(direction))

    def test_noise_is_uniform_of_the_given_size_and_spares_padding(self) -> None:
        torch.manual_seed(2)
        ids = torch.tensor([[5, 6, 7, 8], [5, 6, 0, 0]])
        found = noise(torch.zeros(2, 4, 256), real_tokens(ids, 0), 3.0)
        assert not found[1, 2:].any()
        for row, length in ((0, 4), (1, 2)):
            own, largest = found[row, :length], 3.0 / math.sqrt(length * 256)
            assert 0.95 * largest < float(own.abs().max()) <= largest
            assert abs(float(own.mean())) < largest / 10

    def test_a_share_of_the_gradient_at_the_same_value(self) -> None:
        x = torch.tensor(3.0, requires_grad=True)
        loss = weighed(x**2, 0.25)
        loss.backward()  # type: ignore[no-untyped-call]
        assert float(loss.detach()) == 9.0 and float(x.grad or 0) == pytest.approx(1.5)


class TestShapedLosses:
    logits = torch.randn(6, 4, generator=torch.Generator().manual_seed(3))
    labels = torch.tensor([0, 1, 2, 3, 3, 3])
    made = Decisions(logits, one_hot([0, 1, 2, 3, 3, 3], 4))

    def test_without_a_shape_it_is_cross_entropy(self) -> None:
        torch.testing.assert_close(shaped(self.made), cross_entropy(self.logits, self.labels))

    def test_smoothing_is_torchs(self) -> None:
        torch.testing.assert_close(
            shaped(self.made, smoothing=0.2), cross_entropy(self.logits, self.labels, label_smoothing=0.2)
        )

    def test_weights_are_torchs(self) -> None:
        weights = torch.tensor([1.0, 2.0, 0.5, 3.0])
        torch.testing.assert_close(
            shaped(self.made, weights=weights), cross_entropy(self.logits, self.labels, weight=weights)
        )

    def test_focal_by_hand(self) -> None:
        made = Decisions(torch.tensor([[math.log(9.0), 0.0], [0.0, 0.0]]), one_hot([0, 1], 2))
        wanted = (0.1**2 * -math.log(0.9) + 0.5**2 * -math.log(0.5)) / 2
        assert float(shaped(made, gamma=2.0)) == pytest.approx(wanted, rel=1e-5)

    def test_classes_that_are_not_to_be_had_get_no_share(self) -> None:
        logits = self.logits.clone()
        logits[:, 0] = torch.finfo(torch.float32).min
        made = Decisions(logits, one_hot([1, 1, 2, 3, 3, 3], 4))
        narrow = cross_entropy(logits[:, 1:], torch.tensor([0, 0, 1, 2, 2, 2]), label_smoothing=0.2)
        torch.testing.assert_close(shaped(made, smoothing=0.2), narrow)
        assert torch.isfinite(shaped(made, gamma=2.0))

    def test_a_sure_decision_has_a_finite_gradient(self) -> None:
        logits = torch.tensor([[60.0, -60.0]], requires_grad=True)
        shaped(Decisions(logits, one_hot([0], 2)), gamma=0.5).backward()  # type: ignore[no-untyped-call]
        assert logits.grad is not None and torch.isfinite(logits.grad).all()

    def test_class_weights_are_inverse_roots_with_a_mean_of_one(self) -> None:
        found = class_weights(torch.tensor([100.0, 4.0, 0.0]), 0.5)
        assert float(found[1] / found[0]) == pytest.approx(5.0) and float(found[2]) == 0
        assert float((found * torch.tensor([100.0, 4.0, 0.0])).sum()) == pytest.approx(104.0)


class TestDecisions:
    def test_yes_and_no(self) -> None:
        task = family("tasks").make("multi-label-classification")
        logits, labels = torch.randn(3, 5), (torch.rand(3, 5) > 0.5).float()
        (made,) = decisions(task, SimpleNamespace(logits=logits), {"labels": labels})
        torch.testing.assert_close(shaped(made), binary_cross_entropy_with_logits(logits, labels))

    def test_tokens_in_layers(self) -> None:
        task = family("tasks").make("token-classification")
        logits, labels = torch.randn(2, 3, 6), torch.randint(0, 3, (2, 3, 2))
        labels[0, 0, :] = -100
        (made,) = decisions(task, SimpleNamespace(logits=logits), {"labels": labels})
        assert made.logits.shape == (10, 3)
        wanted = cross_entropy(logits.reshape(-1, 3), labels.reshape(-1), ignore_index=-100)
        torch.testing.assert_close(shaped(made), wanted)

    def test_starts_and_ends(self) -> None:
        from tunesmith.tasks.extractive_qa import IGNORED, ExtractiveQA

        task = ExtractiveQA()
        outputs = SimpleNamespace(start_logits=torch.randn(2, 4), end_logits=torch.randn(2, 4))
        labels = torch.zeros(2, 4, 2)
        labels[0, 1], labels[1, 0, 0], labels[1, 2, 0], labels[1, 0, 1] = 1.0, 0.5, 0.5, 1.0
        labels[:, 3] = IGNORED
        found = decisions(task, outputs, {"labels": labels})
        both = (shaped(found[0]) + shaped(found[1])) / 2
        torch.testing.assert_close(both, task.loss(outputs, {"labels": labels}))


class TestContrastive:
    def test_by_hand(self) -> None:
        vectors = torch.tensor([[2.0, 0.0], [1.0, 0.0], [0.0, 5.0]])
        found = contrastive(vectors, torch.tensor([0, 0, 1]), 0.5)
        # cosines 1 and 0: both rows of class 0 see e^2 against e^2 + e^0; the third is alone in its class
        assert float(found) == pytest.approx(-math.log(math.exp(2) / (math.exp(2) + 1)), rel=1e-5)

    def test_no_two_of_a_class_is_no_loss_and_no_nan(self) -> None:
        vectors = torch.randn(3, 4, requires_grad=True)
        found = contrastive(vectors, torch.tensor([0, 1, 2]), 0.3)
        found.backward()  # type: ignore[no-untyped-call]
        assert float(found) == 0 and vectors.grad is not None and not vectors.grad.any()


class TestMixup:
    def test_by_hand(self) -> None:
        values, partners = torch.tensor([[4.0, 0.0], [0.0, 8.0]]), torch.tensor([1, 0])
        assert mixed(values, partners, 0.75).tolist() == [[3.0, 2.0], [1.0, 6.0]]

    def test_a_linear_layers_answers_to_mixed_vectors_are_its_mixed_answers(self) -> None:
        torch.manual_seed(4)
        layer, vectors, partners = torch.nn.Linear(6, 3), torch.randn(5, 6), torch.randperm(5)
        torch.testing.assert_close(layer(mixed(vectors, partners, 0.3)), mixed(layer(vectors), partners, 0.3))


class TestConflicts:
    def test_the_conflicting_component_goes(self) -> None:
        one, other = torch.tensor([1.0, 0.0]), torch.tensor([-1.0, 1.0])
        (found,) = without_conflicts([[one], [other]], [[1], [0]])
        # one - (-1/2) other = (.5, .5); other - (-1/1) one = (0, 1)
        torch.testing.assert_close(found, torch.tensor([0.5, 1.5]))

    def test_what_agrees_is_summed(self) -> None:
        one, other = torch.tensor([1.0, 0.0]), torch.tensor([1.0, 1.0])
        torch.testing.assert_close(without_conflicts([[one], [other]], [[1], [0]])[0], one + other)

    def test_the_order_counts_and_the_others_are_as_they_were(self) -> None:
        g = [[torch.tensor([1.0, 0.0])], [torch.tensor([-1.0, 0.5])], [torch.tensor([-0.5, -1.0])]]
        for order in ([1, 2], [2, 1]):
            own = g[0][0].clone()
            for j in order:
                if (dot := float(own @ g[j][0])) < 0:
                    own -= dot / float(g[j][0] @ g[j][0]) * g[j][0]
            (found,) = without_conflicts(g, [order, [], []])
            torch.testing.assert_close(found, own + g[1][0] + g[2][0])

    def test_a_given_gradient_goes_through_whatever_is_done_to_the_loss(self) -> None:
        weight, loss = torch.zeros(3, requires_grad=True), torch.tensor(5.0)
        made = with_gradient(loss, [weight], [torch.tensor([1.0, 2.0, 3.0])])
        (made / 4 + weight.sum()).backward()
        assert float(made) == 5.0
        torch.testing.assert_close(weight.grad, torch.tensor([1.25, 1.5, 1.75]))

    def test_uncertainty_by_hand(self) -> None:
        s = {"a": torch.tensor(math.log(2.0), requires_grad=True), "b": torch.tensor(0.0)}
        losses = {"a": PartLoss(torch.tensor(3.0), 0.5), "b": PartLoss(torch.tensor(1.0), 0.5)}
        found = by_uncertainty(losses, s)
        assert float(found) == pytest.approx(0.5 * (3 / 2 + math.log(2) / 2) + 0.5 * 1)
        found.backward()  # type: ignore[no-untyped-call]
        assert float(s["a"].grad or 0) == pytest.approx(0.5 * (-3 / 2 + 0.5))


class TestPenalties:
    weights = {"old": torch.tensor([1.0, 2.0], requires_grad=True), "new": torch.tensor([3.0], requires_grad=True)}

    def test_l2_sp(self) -> None:
        found = l2_sp.penalty(self.weights, {"old": torch.tensor([0.0, 2.5])}, 0.2, 0.4)
        assert float(found) == pytest.approx(0.1 * (1 + 0.25) + 0.2 * 9)
        gradients = torch.autograd.grad(found, list(self.weights.values()))
        torch.testing.assert_close(gradients, (torch.tensor([0.2, -0.1]), torch.tensor([1.2])))

    def test_ewc(self) -> None:
        start = {name: torch.zeros_like(w) for name, w in self.weights.items()}
        information = {"old": torch.tensor([1.0, 0.0]), "new": torch.tensor([5.0])}
        found = penalty(self.weights, start, information, 0.5)
        gradients = torch.autograd.grad(found, list(self.weights.values()))
        torch.testing.assert_close(gradients, (torch.tensor([0.5, 0.0]), torch.tensor([7.5])))
        assert float(torch.cat(list(scaled(information).values())).mean()) == pytest.approx(1.0)
        assert scaled(information)["new"] == pytest.approx(2.5)


class TestTeachers:
    def test_softened_is_the_divergence_at_a_temperature(self) -> None:
        student, teacher = torch.randn(5, 3), torch.randn(5, 3)
        p, q = softmax(teacher / 3, -1), log_softmax(student / 3, -1)
        torch.testing.assert_close(softened(student, [teacher], 3.0), 9 * (p * (p.log() - q)).sum(-1).mean())
        assert float(softened(teacher, [teacher], 3.0)) == pytest.approx(0.0, abs=1e-6)

    def test_several_teachers_are_the_mean_of_their_shares(self) -> None:
        one, other = torch.tensor([[9.0, 0.0]]), torch.tensor([[0.0, 9.0]])
        assert float(softened(torch.zeros(1, 2), [one, other], 1.0)) == pytest.approx(0.0, abs=1e-6)

    def test_at_a_high_temperature_its_gradient_is_that_of_matching_logits(self) -> None:
        student = torch.tensor([[1.0, -1.0, 0.0]], requires_grad=True)
        teacher = torch.tensor([[0.5, 0.5, -1.0]])
        (gradient,) = torch.autograd.grad(softened(student, [teacher], 1000.0), student)
        torch.testing.assert_close(gradient, (student - teacher).detach() / 3, atol=1e-3, rtol=1e-2)

    def test_likeness_needs_no_common_width(self) -> None:
        vectors = torch.randn(4, 6)
        turned = torch.cat([vectors, torch.zeros(4, 2)], dim=1) @ torch.linalg.qr(torch.randn(8, 8)).Q
        assert float(alike(vectors, turned)) == pytest.approx(0.0, abs=1e-6)
        assert float(alike(vectors, torch.randn(4, 8))) > 1e-3

    def test_classes_are_found_by_name(self) -> None:
        assert columns("text-classification", ["a", "b"], ["a", "b"], "x") is None
        assert columns("text-classification", ["a", "b", "c"], ["c", "a", "z"], "x") == ([0, 2], [1, 0])
        from tunesmith.core.errors import RecipeError

        for task, own in (("text-classification", ["a", "q"]), ("token-classification", ["b", "a"])):
            with pytest.raises(RecipeError, match="the teacher's classes are a, b"):
                columns(task, own, ["a", "b"], "distill.teacher")


def test_the_averages_decay_is_small_at_first() -> None:
    assert warmed(0.99, 0) == pytest.approx(0.1) and warmed(0.99, 10_000) == 0.99


def test_old_rows_are_drawn_in_the_given_share() -> None:
    found = drawn(50, 75, 0.25, 13)
    assert len(found) == 25 and len(set(found)) == 25 and found == drawn(50, 75, 0.25, 13)
    assert found != drawn(50, 75, 0.25, 14)
    many = drawn(3, 70, 0.3, 13)
    assert len(many) == 30 and all(many.count(i) == 10 for i in range(3)), "all alike often"
