"""What each strategy does to a tiny model: the gradient, the weights, the rows."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import made_strategies
import pytest
import torch

from tunesmith.core.contracts import Strategy
from tunesmith.core.errors import RecipeError
from tunesmith.core.registry import family
from tunesmith.models.heads import head_parameters
from tunesmith.models.tensors import tensors
from tunesmith.testing import tiny_bert, toy_rows
from tunesmith.training.kernels import fast_training
from tunesmith.training.optim import OptimizerSettings
from tunesmith.training.run_state import RunState
from tunesmith.training.strategies import draws
from tunesmith.training.strategies.adversary import Adversary
from tunesmith.training.strategies.distill import Distill, softened
from tunesmith.training.strategies.ema import Ema, warmed
from tunesmith.training.strategies.ewc import Ewc, fisher, penalty
from tunesmith.training.strategies.focal import Focal
from tunesmith.training.strategies.freelb import FreeLb
from tunesmith.training.strategies.l2_sp import L2Sp
from tunesmith.training.strategies.label_smoothing import LabelSmoothing
from tunesmith.training.strategies.lwf import Lwf
from tunesmith.training.strategies.mixup import Mixup, mixed
from tunesmith.training.strategies.neftune import NefTune
from tunesmith.training.strategies.order import ordered
from tunesmith.training.strategies.pgd import Pgd
from tunesmith.training.strategies.replay import Replay
from tunesmith.training.strategies.supcon import SupCon, contrastive
from tunesmith.training.strategies.swa import Swa
from tunesmith.training.strategies.teachers import answers
from tunesmith.training.strategies.wise_ft import WiseFt


def state(run: Any, model: Any) -> RunState:
    return RunState(
        model, run.task, None, lambda loss: loss.backward(), processor=run.processor, features=run.features,
        encode=lambda rows: run.task.encode(rows, run.processor, max_length=48, targets=True),
    )  # fmt: skip


def compute(run: Any) -> Any:
    def computed(model: Any, batch: Any) -> Any:
        outputs = run.task.forward(model, batch)
        return run.task.loss(outputs, batch), outputs

    return computed


def batch_of(run: Any, rows: int = 6) -> Any:
    return tensors(run.task.collate(run.features[:rows], run.processor))


def gradients(model: Any) -> dict[str, torch.Tensor]:
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


class Seen(Strategy):
    """Keeps the weights after each step."""

    name, summary = "seen", "for tests"

    def __init__(self) -> None:
        self.weights: list[dict[str, torch.Tensor]] = []

    def on_step(self, run: Any) -> None:
        self.weights.append({name: p.detach().clone() for name, p in run.trained().items()})


class TestAdversaries:
    def moved(self, run: Any, model: Any, strategy: Adversary, batch: Any) -> list[torch.Tensor]:
        """One batch as the loop goes; the moves of each pass after the first."""
        values, seen = compute(run), []

        def looked(model: Any, batch: Any) -> Any:
            found = values(model, batch)
            if strategy._going_on:
                seen.extend(move.detach().clone() for move in strategy._moves)
            return found

        made = state(run, model)
        strategy.start(made)
        wrapped = strategy.loss(looked)
        made.backward(wrapped(model, batch)[0])
        strategy.after_backward(made, batch, wrapped)
        assert not made.embedding()._forward_hooks and not strategy._moves
        return seen

    @pytest.mark.parametrize("fast", [True, False])
    @pytest.mark.parametrize("method", ["full", "lora"])
    def test_pgd_climbs_within_the_ball(self, run: Any, fast: bool, method: str) -> None:
        model = family("methods").make(method).apply(run.fresh(0.0), run.task).train()
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        batch, values = batch_of(run), compute(run)
        used = torch.cat([torch.from_numpy(f["input_ids"]) for f in run.features[:6]]) if fast else None
        with fast_training(model, used, "cpu"):
            clean = float(values(model, batch)[0])
            seen = self.moved(run, model, Pgd(1.0, 0.4, 4), batch)
        lengths = [move.flatten(1).norm(dim=1) for move in seen]
        assert len(seen) == 4
        for step, found in enumerate(lengths, 1):
            assert bool((found <= min(1.0, 0.4 * step) + 1e-5).all()) and float(found.min()) > 0.1
        model.zero_grad()
        worst = self.at(run, model, seen[-1], batch)
        assert worst > clean and worst > self.at(run, model, seen[0], batch) - 1e-6

    def at(self, run: Any, model: Any, move: torch.Tensor, batch: Any) -> float:
        embedding = state(run, model).embedding()
        handle = embedding.register_forward_hook(lambda module, inputs, out: out + move)
        found = float(compute(run)(model, batch)[0].detach())
        handle.remove()
        return found

    def test_pgds_gradient_is_that_of_the_clean_and_the_last_pass(self, run: Any) -> None:
        model, batch, values = run.fresh(0.0).train(), batch_of(run), compute(run)
        values(model, batch)[0].backward()
        clean = gradients(model)
        model.zero_grad()
        seen = self.moved(run, model, Pgd(1.0, 0.4, 3), batch)
        both = gradients(model)
        model.zero_grad()
        embedding = state(run, model).embedding()
        handle = embedding.register_forward_hook(lambda module, inputs, out: out + seen[-1])
        values(model, batch)[0].backward()
        handle.remove()
        for name, gradient in gradients(model).items():
            torch.testing.assert_close(both[name], clean[name] + gradient, atol=1e-6, rtol=1e-4)

    def test_freelb_is_the_mean_of_passes_that_drop_alike(self, run: Any) -> None:
        model, batch, values = run.fresh(0.3).train(), batch_of(run), compute(run)
        torch.manual_seed(11)
        strategy = FreeLb(1e-9, 1e-10, steps=3, initial=0.0)  # all passes at one place: the mean is the pass itself
        self.moved(run, model, strategy, batch)
        found = gradients(model)
        model.zero_grad()
        torch.manual_seed(11)
        torch.randint(2**31, ())
        values(model, batch)[0].backward()
        for name, gradient in gradients(model).items():
            torch.testing.assert_close(found[name], gradient, atol=1e-6, rtol=1e-3)

    def test_freelb_starts_at_random_and_climbs(self, run: Any) -> None:
        model, batch = run.fresh(0.0).train(), batch_of(run)
        seen = self.moved(run, model, FreeLb(0.5, 0.2, steps=3, initial=0.1), batch)
        assert len(seen) == 2
        start = seen[0].flatten(1).norm(dim=1)
        assert bool(((start > 0.1) & (start < 0.31)).all()), "the first step from a random start"
        assert bool((seen[1].flatten(1).norm(dim=1) <= 0.5 + 1e-5).all())

    def test_an_evaluation_is_left_alone(self, run: Any) -> None:
        model, batch, values = run.fresh(0.0).eval(), batch_of(run), compute(run)
        wanted = values(model, batch)[0]
        for strategy in (Pgd(), FreeLb(), NefTune(50.0)):
            strategy.start(state(run, model))
            assert torch.equal(strategy.loss(values)(model, batch)[0], wanted)


def test_neftune_changes_what_is_looked_up_in_training(run: Any) -> None:
    model, batch, values = run.fresh(0.0).train(), batch_of(run), compute(run)
    strategy = NefTune(5.0)
    strategy.start(state(run, model))
    noisy = strategy.loss(values)
    torch.manual_seed(1)
    one, other = noisy(model, batch)[0], noisy(model, batch)[0]
    assert one != other and one != values(model, batch)[0] and not state(run, model).embedding()._forward_hooks


class TestAverages:
    def test_ema_is_measured_and_kept_and_the_run_goes_on_with_its_own(self, run: Any) -> None:
        seen, measured = Seen(), []

        def evaluate() -> dict[str, float]:
            measured.append(run.weights())
            return {"macro_f1": len(measured) / 10}

        model = run.fresh()
        average = {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}
        run.go(model=model, strategies=[Ema(0.9), seen], evaluate=evaluate)
        for count, weights in enumerate(seen.weights):
            decay = warmed(0.9, count)
            average = {name: decay * a + (1 - decay) * weights[name] for name, a in average.items()}
            if count == 7:
                for name, value in average.items():
                    torch.testing.assert_close(measured[0][name], value, atol=1e-6, rtol=1e-4)
        kept = run.weights()
        for name, value in average.items():
            torch.testing.assert_close(kept[name], value, atol=1e-6, rtol=1e-4)
        last = seen.weights[-1]
        assert any((kept[name] - last[name]).abs().max() > 1e-4 for name in last)

    def test_swa_is_the_plain_mean_also_where_nothing_is_evaluated(self, run: Any) -> None:
        seen = Seen()
        run.go(strategies=[Swa(begin=0.5, every=3), seen])
        chosen = [seen.weights[step - 1] for step in (9, 12, 15)]
        for name, value in run.weights().items():
            if name in chosen[0]:
                mean = torch.stack([weights[name] for weights in chosen]).mean(0)
                torch.testing.assert_close(value, mean, atol=1e-6, rtol=1e-4)

    def test_before_there_is_an_average_the_weights_are_measured(self, run: Any, same: Any) -> None:
        run.go(name="plain")
        wanted = run.weights()
        run.go(name="late", strategies=[Swa(begin=0.99, every=1000)])
        assert same(wanted, run.weights())

    def test_wise_ft_is_between_the_start_and_the_end_but_for_the_head(self, run: Any) -> None:
        seen, model = Seen(), run.fresh()
        start = {name: p.detach().clone() for name, p in model.named_parameters()}
        run.go(model=model, strategies=[WiseFt(0.25), seen])
        last, kept, heads = seen.weights[-1], run.weights(), {id(p) for p in head_parameters(model)}
        new = {name for name, p in model.named_parameters() if id(p) in heads}
        assert new < set(last)
        for name in last:
            wanted = last[name] if name in new else 0.75 * start[name] + 0.25 * last[name]
            torch.testing.assert_close(kept[name], wanted, atol=1e-6, rtol=1e-4)


class TestHeld:
    def distance(self, run: Any, start: dict[str, torch.Tensor]) -> float:
        return sum(float((p - start[name]).square().sum()) for name, p in run.weights().items() if "bert" in name)

    def far(self, run: Any, name: str, *strategies: Strategy) -> float:
        start = {key: p.detach().clone() for key, p in run.fresh().named_parameters()}
        run.go(name=name, strategies=strategies)
        return self.distance(run, start)

    def test_l2_sp_adds_its_gradient_once_a_step(self, run: Any) -> None:
        model = run.fresh(0.0)
        made, strategy = state(run, model), L2Sp(0.3, 0.7)
        strategy.start(made)
        with torch.no_grad():
            model.classifier.weight.fill_(2.0)
            weight = model.bert.encoder.layer[0].output.dense.weight
            weight.add_(1.0)
        strategy.after_backward(made, {}, compute(run))
        torch.testing.assert_close(weight.grad, torch.full_like(weight, 0.3))
        torch.testing.assert_close(model.classifier.weight.grad, torch.full_like(model.classifier.weight, 1.4))

    def test_weights_stay_nearer(self, run: Any) -> None:
        plain = self.far(run, "plain")
        assert self.far(run, "l2_sp", L2Sp(10.0, 0.0)) < 0.7 * plain
        assert plain > 0.1

    def test_what_old_rows_need_moves_less(self, run: Any) -> None:
        rows, far = toy_rows("en", 12, seed=5), {}
        for strength in (0.0, 100.0):
            strategy = Ewc(rows=rows, strength=strength)
            run.go(name=f"ewc{strength}", strategies=[strategy])
            far[strength] = float(penalty(run.weights(), strategy._start, strategy._information, 1.0).detach())
        assert 0 < far[100.0] < 0.5 * far[0.0]

    def test_fisher_is_the_mean_square_of_each_rows_gradient(self, run: Any) -> None:
        model = run.fresh(0.2).train()
        made = state(run, model)
        found = fisher(made, run.features[:3])
        assert model.training
        weight, squares = model.classifier.weight, []
        for feature in run.features[:3]:
            model.eval().zero_grad()
            compute(run)(model, tensors(run.task.collate([feature], run.processor)))[0].backward()
            squares.append(weight.grad.square())
        torch.testing.assert_close(found["classifier.weight"], torch.stack(squares).mean(0))


def test_replay_draws_the_given_share_of_old_rows(run: Any) -> None:
    rows, seen = toy_rows("zh", 8, seed=77), []
    rows = [{**row, "label": {"消极": "negative", "积极": "positive"}[row["label"]]} for row in rows]

    class Look(Strategy):
        name, summary = "look", "for tests"

        def after_backward(self, run: Any, batch: Any, compute: Any) -> None:
            seen.extend(run.features[i]["row"] for i in run.indices)

    run.go(run.settings(epochs=1), strategies=[Replay(rows=rows, share=0.2), Look()])
    assert len(seen) == 80 and seen.count(-1) == 16
    with pytest.raises(RecipeError, match="needs rows to protect"):
        run.go(name="none", strategies=[Replay()])


def test_old_rows_are_read_from_a_file(run: Any, tmp_path: Path) -> None:
    lines = ["review,stars", *(f'"{row["text"]}",{row["label"]}' for row in toy_rows("en", 10, seed=3))]
    (tmp_path / "old.csv").write_text("\n".join(lines), "utf-8")
    strategy = Replay(path=str(tmp_path / "old.csv"), columns={"text": "review", "label": "stars"})
    strategy.prepare(state(run, None))
    assert len(strategy._old) == 10 and {f["target"] for f in strategy._old} == {0, 1}


def test_shaped_losses_take_the_tasks_place(run: Any) -> None:
    model, batch, values = run.fresh(0.0).train(), batch_of(run), compute(run)
    wanted, outputs = values(model, batch)
    for strategy in (Focal(0.0), LabelSmoothing(1e-9)):
        strategy.start(state(run, model))
        torch.testing.assert_close(strategy.loss(values)(model, batch)[0], wanted)
    focal = Focal(2.0)
    focal.start(state(run, model))
    p = torch.softmax(outputs.logits, -1)[range(6), batch["labels"]]
    torch.testing.assert_close(focal.loss(values)(model, batch)[0], ((1 - p) ** 2 * -p.log()).mean())


def test_supcon_reads_what_the_output_layer_reads(run: Any) -> None:
    model, batch, values = run.fresh(0.0).train(), batch_of(run), compute(run)
    strategy = SupCon(0.4, 0.3)
    found, _ = strategy.loss(values)(model, batch)
    read: list[torch.Tensor] = []
    handle = model.classifier.register_forward_pre_hook(lambda module, inputs: read.append(inputs[0]))
    loss, _ = values(model, batch)
    handle.remove()
    torch.testing.assert_close(found, 0.6 * loss + 0.4 * contrastive(read[0], batch["labels"], 0.3))
    found.backward()
    assert model.bert.encoder.layer[0].output.dense.weight.grad.abs().max() > 0


class TestMixup:
    def drawn(self, made: RunState, rows: int, alpha: float) -> tuple[float, torch.Tensor]:
        draw = draws.of_batch(made)
        return float(draw.beta(alpha, alpha)), torch.from_numpy(draw.permutation(rows))

    def test_the_vectors_that_the_output_layer_reads_are_mixed(self, run: Any) -> None:
        model, batch, values = run.fresh(0.0).train(), batch_of(run), compute(run)
        strategy, made = Mixup(0.7), state(run, model)
        made.step, made.indices = 3, [5, 1]
        strategy.start(made)
        share, partners = self.drawn(made, 6, 0.7)
        assert 0 < share < 1 and set(batch["labels"].tolist()) == {0, 1}
        found, outputs = strategy.loss(values)(model, batch)
        torch.testing.assert_close(outputs.logits, values(model, batch)[1].logits)
        handle = model.classifier.register_forward_pre_hook(lambda _, read: (mixed(read[0], partners, share),))
        one, _ = values(model, batch)
        other, _ = values(model, {**batch, "labels": batch["labels"][partners]})
        handle.remove()
        torch.testing.assert_close(found, share * one + (1 - share) * other)

    def test_each_batch_has_a_share_of_its_own_and_each_pass_over_it_the_same(self, run: Any) -> None:
        model, batch, values = run.fresh(0.0).train(), batch_of(run), compute(run)
        strategy, made = Mixup(), state(run, model)
        strategy.start(made)
        losses = []
        for made.step, made.indices in ((1, [2]), (1, [2]), (1, [3]), (2, [2])):
            losses.append(float(strategy.loss(values)(model, batch)[0].detach()))
        assert losses[0] == losses[1] and len(set(losses)) == 3

    def test_without_alpha_and_in_an_evaluation_it_is_the_plain_loss(self, run: Any) -> None:
        model, batch, values = run.fresh(0.0).train(), batch_of(run), compute(run)
        for strategy in (Mixup(0.0), Mixup(1.0)):
            strategy.start(state(run, model))
            assert torch.equal(strategy.loss(values)(model, batch)[0], values(model, batch)[0])
            model.eval()

    def test_it_learns_and_is_less_sure(self, run: Any) -> None:
        """Texts that are learned by heart leave more doubt: between them lie others."""
        doubt = []
        for i, strategies in enumerate(([], [Mixup()])):
            settings = run.settings(epochs=14, optimizer=OptimizerSettings(4e-3))
            run.go(settings, name=f"n{i}", dropout=0.0, fast=True, strategies=strategies)
            assert run.right() >= 0.9
            with torch.no_grad():
                logits = compute(run)(run.model.eval(), batch_of(run, 32))[1].logits
            doubt.append(1 - float(torch.softmax(logits, -1).amax(-1).mean()))
        assert doubt[1] > 2 * doubt[0]

    def test_what_has_no_one_vector_is_refused(self) -> None:
        full, head = family("methods").make("full"), family("methods").make("head")
        for task in ("token-classification", "text-embedding", "extractive-qa", "multiple-choice", "mixture"):
            assert "none, or several" in str(Mixup().fits(family("tasks").make(task), full))
        for task in ("text-classification", "multi-label-classification", "text-regression"):
            assert Mixup().fits(family("tasks").make(task), head) is None
        with pytest.raises(RecipeError, match="mixup exclude each other: each takes the loss's place"):
            ordered([Mixup(), Focal()])


class TestTeachers:
    @pytest.fixture
    def teacher(self, run: Any, tmp_path: Path) -> Path:
        run.go(run.settings(epochs=8, optimizer=OptimizerSettings(4e-3)), name="teacher")
        assert run.right() >= 0.9
        return made_strategies.bundle(tmp_path / "bundle", run.model, run.task, run.processor)

    def test_distilling_is_the_formula(self, run: Any, teacher: Path) -> None:
        batch, values, told = batch_of(run), compute(run), run.model.eval()
        with torch.no_grad():
            teaching = told(**{k: v for k, v in batch.items() if k != "labels"}).logits
        model = run.fresh(0.0).train()
        strategy = Distill(str(teacher), weight=0.3, temperature=3.0)
        strategy.start(state(run, model))
        loss, outputs = values(model, batch)
        wanted = 0.7 * loss + 0.3 * softened(outputs.logits, [teaching], 3.0)
        torch.testing.assert_close(strategy.loss(values)(model, batch)[0], wanted, atol=1e-4, rtol=1e-4)
        hidden = Distill([str(teacher), str(teacher)], weight=0.3, temperature=3.0, hidden=2.0)
        hidden.start(state(run, model))
        assert float(hidden.loss(values)(model, batch)[0].detach()) > float(wanted.detach()) + 1e-5

    def test_a_student_learns_from_wrong_labels_by_a_right_teacher(self, run: Any, teacher: Path) -> None:
        right = [feature["target"] for feature in run.features]
        for i, feature in enumerate(run.features):
            feature["target"] = (feature["target"] + i) % 2  # half of them wrong
        settings = run.settings(epochs=10, optimizer=OptimizerSettings(4e-3))
        run.go(settings, name="student", strategies=[Distill(str(teacher), weight=1.0)])
        for feature, target in zip(run.features, right, strict=True):
            feature["target"] = target
        assert run.right() >= 0.9

    def test_a_teacher_with_another_tokenizer_reads_the_rows_itself(
        self, run: Any, teacher: Path, tmp_path: Path
    ) -> None:
        from tunesmith.models.load import load_processor
        from tunesmith.models.reference import resolve

        helpers = sys.modules[type(run).__module__]  # several folders have a conftest
        own = type(run)(tiny_bert(tmp_path / "other", texts=["别的 words only " * 3]), tmp_path)
        assert load_processor(resolve(str(own.folder))).get_vocab() != run.processor.get_vocab()
        model = own.fresh(0.0)
        made = state(own, model)
        made.rows = helpers.ROWS
        strategy = Distill(str(teacher))
        strategy.start(made)
        made.indices = [3, 1, 2]
        batch = tensors(own.task.collate([own.features[i] for i in made.indices], own.processor))
        told = strategy.teachers[0].answer(made, batch).logits
        theirs = tensors(run.task.collate([run.features[i] for i in made.indices], run.processor))
        with torch.no_grad():
            wanted = run.model.eval()(**{k: v for k, v in theirs.items() if k != "labels"}).logits
        torch.testing.assert_close(told, wanted, atol=1e-4, rtol=1e-3)
        made.indices, made.brought = [5, 6, 7, 8], [{"text": helpers.ROWS[i]["text"]} for i in (3, 1, 2)]
        again = strategy.teachers[0].answer(made, batch).logits
        torch.testing.assert_close(again, wanted, atol=1e-4, rtol=1e-3)
        made.rows = []
        with pytest.raises(RecipeError, match="another tokenizer than the student"):
            Distill(str(teacher)).start(made)

    def test_a_teacher_that_knows_fewer_classes_teaches_those(self, run: Any, teacher: Path) -> None:
        """A batch of a class that the teacher never saw has a distance, too: over the classes that both know."""
        rows = [{"text": "a plain room", "label": "neutral"}] * 4 + sys.modules[type(run).__module__].ROWS[:4]
        told = run.model.eval()
        run.task = type(run.task)()
        run.task.learn(rows)
        assert run.task.labels == ["negative", "neutral", "positive"]
        run.features = run.task.encode(rows, run.processor, max_length=48, targets=True)
        model, batch = run.fresh(0.0).train(), batch_of(run, len(rows))
        for name in (Distill(str(teacher)), Lwf(str(teacher), temperature=1.0)):
            name.start(state(run, model))
            _, outputs = compute(run)(model, batch)
            with torch.no_grad():
                said = told(**{k: v for k, v in batch.items() if k != "labels"}).logits
            found = answers(name.teachers[0], state(run, model), batch)
            torch.testing.assert_close(found[0], said.float(), atol=1e-4, rtol=1e-3)
            assert torch.isfinite(name.distance(outputs, batch))

    def test_a_teacher_of_another_task_is_refused(self, run: Any, teacher: Path) -> None:
        made = state(run, run.fresh())
        made.task = family("tasks").make("text-regression")
        with pytest.raises(RecipeError, match="is of text-classification, the run of text-regression"):
            Distill(str(teacher)).start(made)

    def test_what_was_before_is_held_to(self, run: Any) -> None:
        """The answers to the new rows, whose labels are all one, stay nearer to what they were."""
        batch = batch_of(run, 32)
        inputs = {k: v for k, v in batch.items() if k != "labels"}
        for feature in run.features:
            feature["target"] = 0
        moved = []
        for i, strategies in enumerate(([], [Lwf(weight=20.0)])):
            model = run.fresh(0.0)
            with torch.no_grad():
                before = torch.softmax(model.eval()(**inputs).logits, -1)
            run.go(run.settings(epochs=2), name=f"n{i}", model=model, strategies=strategies)
            with torch.no_grad():
                moved.append(float((torch.softmax(model.eval()(**inputs).logits, -1) - before).abs().mean()))
        assert moved[1] < 0.6 * moved[0]

    def test_the_earlier_weights_are_put_back(self, run: Any) -> None:
        model, batch = run.fresh(0.0).train(), batch_of(run)
        strategy = Lwf()
        made = state(run, model)
        strategy.start(made)
        assert float(strategy.distance(compute(run)(model, batch)[1], batch).detach()) == pytest.approx(0, abs=1e-6)
        with torch.no_grad():
            model.classifier.weight[0].add_(1.0)
        now = model.classifier.weight.detach().clone()
        assert float(strategy.distance(compute(run)(model, batch)[1], batch).detach()) > 1e-4
        assert torch.equal(model.classifier.weight, now) and model.training


def test_what_makes_no_sense_is_refused_early(run: Any) -> None:
    from tunesmith.training.strategies.order import CLASHES, INNERMOST_FIRST

    assert set(INNERMOST_FIRST) >= set(made_strategies.NAMES)
    head, full = family("methods").make("head"), family("methods").make("full")
    for name in ("pgd", "freelb", "neftune", "l2_sp", "supcon", "fgm"):
        assert "finished vectors" in str(made_strategies.strategy(name).fits(run.task, head))
        assert made_strategies.strategy(name).fits(run.task, full) is None
    prompt = family("methods").make("prompt")
    assert "take pgd" in str(made_strategies.strategy("fgm").fits(run.task, prompt))
    assert made_strategies.strategy("pgd").fits(run.task, prompt) is None
    asked = family("tasks").make("extractive-qa")
    vectors = family("tasks").make("text-embedding")
    assert "no one class" in str(SupCon().fits(asked, full))
    numbers, media = (family("tasks").make(f"multimodal-{kind}") for kind in ("regression", "classification"))
    assert "does not decide" in str(Focal().fits(numbers, full)) and SupCon().fits(media, full) is None
    assert "does not decide between classes" in str(Focal().fits(vectors, full))
    assert Focal().fits(asked, full) is None and "how often" in str(Focal(power=0.5).fits(asked, full))
    assert "parts of a mixture" in str(made_strategies.strategy("multi_task").fits(run.task, full))
    assert "path=FILE" in str(Replay().fits(run.task, full)) and "path=FILE" in str(Ewc().fits(run.task, full))
    assert "of which part" in str(Ewc(path="x.csv").fits(family("tasks").make("mixture"), full))
    assert "no bundle" in str(Distill("nowhere").fits(run.task, full)) and Lwf().fits(run.task, head) is None
    for one, other in (("pgd", "fgm"), ("ema", "swa"), ("focal", "class_weights"), ("multi_task", "focal")):
        assert frozenset({one, other}) in CLASHES
        with pytest.raises(RecipeError, match="exclude each other"):
            ordered([made_strategies.strategy(one), made_strategies.strategy(other)])
