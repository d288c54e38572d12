"""Preference learning in the loop: what it changes, what it keeps, when it stops."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from preference_runs import ROWS, TEXTS, Run

from tunesmith.core.contracts import Strategy, Tracker
from tunesmith.core.errors import DataError, RecipeError, TrainingError
from tunesmith.core.registry import family
from tunesmith.models.answer_likelihood import log_probabilities, row_sums
from tunesmith.tasks.preferred import with_answer
from tunesmith.testing import tiny_llama
from tunesmith.training.run_state import RunState
from tunesmith.training.strategies.answer_pairs import shared_prompt
from tunesmith.training.strategies.answers import Answer, answers_of, batch_of, parted
from tunesmith.training.strategies.drift import Drift
from tunesmith.training.strategies.kto import mismatched
from tunesmith.training.strategies.order import PREFERENCES, ordered

NAMES = ["dpo", "orpo", "kto"]


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("preference") / "llama", texts=TEXTS)


@pytest.fixture
def run(llama: Path, tmp_path: Path) -> Run:
    return Run(llama, tmp_path)


def made(name: str, **options: Any) -> Any:
    return family("strategies").make(name, {"max_kl": 1e6, **options})


def state(run: Run, model: Any, **more: Any) -> RunState:
    return RunState(
        model, run.task, None, lambda loss: loss.backward(), processor=run.processor, encode=run.encode,
        features=run.encode(run.rows), rows=run.rows, total_steps=9, **more,
    )  # fmt: skip


def begun(run: Run, strategy: Any, model: Any, **more: Any) -> tuple[Any, RunState]:
    """The strategy's loss as the loop would call it, and the run."""
    made_state = state(run, model, **more)
    strategy.prepare(made_state)
    strategy.data(list(made_state.features))
    strategy.start(made_state)
    return strategy.loss(lambda model, batch: pytest.fail("the task's own loss is not asked for")), made_state


class TestAnswers:
    def test_the_last_answer_of_several(self) -> None:
        ids, labels = np.arange(9), np.array([-100, 1, 2, -100, -100, 5, 6, 7, -100])
        found = parted(ids, labels)
        assert found.prompt.tolist() == [0, 1, 2, 3, 4] and found.written.tolist() == [5, 6, 7]
        assert not len(parted(ids, np.full(9, -100)).written)

    def test_a_conversation_gets_another_last_message(self) -> None:
        messages = [{"role": "user", "content": "好吗？"}, {"role": "assistant", "content": "好"}]
        task: Any = SimpleNamespace(columns=[SimpleNamespace(kind="messages", role="messages", target=True)])
        row = {"messages": messages, "rejected": "不好"}
        found = with_answer(task, row, "不好")
        assert found["messages"][-1] == {"role": "assistant", "content": "不好"}
        assert messages[-1]["content"] == "好" and "rejected" not in found, "the row itself stays"

    def test_padding_is_on_the_right_and_no_label(self) -> None:
        batch = batch_of([Answer(np.array([5, 6]), np.array([7])), Answer(np.array([5]), np.array([8]))], 3)
        assert batch["input_ids"].tolist() == [[5, 6, 7], [5, 8, 3]]
        assert "attention_mask" not in batch, "nobody sees what stands behind"
        assert batch["labels"].tolist() == [[-100, -100, 7], [-100, 8, -100]]

    def test_a_row_in_pieces_has_no_one_answer(self, run: Run) -> None:
        features = run.encode(run.rows[:2])
        with pytest.raises(DataError, match="row 1 is learned in several pieces"):
            answers_of(run.task, run.processor, [*features, features[0]], "the training rows")

    def test_another_prompts_answer_is_never_to_the_same_prompt(self) -> None:
        answers = [Answer(np.array([p]), np.array([w])) for p, w in ((1, 10), (1, 11), (2, 12))]
        assert [(a.prompt[0], a.written[0]) for a in mismatched(answers)] == [(1, 12), (1, 12), (2, 10)]


def sums(run: Run, model: Any, rows: list[dict[str, Any]], role: str) -> torch.Tensor:
    features = run.encode([{**row, "target": row[role]} for row in rows])
    answers = answers_of(run.task, run.processor, features, "rows")
    return row_sums(*log_probabilities(model, batch_of(list(answers.values()), 3)))


def test_dpos_gradient_is_that_of_the_formula(run: Run) -> None:
    """With another model's weights as the start, by hand."""
    model, strategy = run.fresh(), made("dpo", beta=0.3, smoothing=0.1, sft=0.5)
    loss, here = begun(run, strategy, model)
    strategy.begin_once()
    with torch.no_grad():
        start = [sums(run, model, run.rows, role) for role in ("target", "rejected")]
        for p in model.parameters():
            p.add_(torch.randn_like(p) * 0.05)
    here.indices = [3, 14, 20]
    model.train()
    value, _ = loss(model, {})
    names = [n for n, _ in model.named_parameters()]
    found = torch.autograd.grad(value, list(model.parameters()))
    some = [run.rows[i] for i in here.indices]
    better, worse = (sums(run, model, some, role) for role in ("target", "rejected"))
    tokens = [len(run.encode([row])[0]["target"]) for row in some]
    margin = 0.3 * ((better - start[0][here.indices]) - (worse - start[1][here.indices]))
    logs = torch.nn.functional.logsigmoid
    wanted = (-0.9 * logs(margin) - 0.1 * logs(-margin) - 0.5 * better / torch.tensor(tokens)).mean()
    torch.testing.assert_close(value, wanted)
    for name, one, other in zip(names, found, torch.autograd.grad(wanted, list(model.parameters())), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-3, msg=name)


@pytest.mark.parametrize("method", ["full", "lora"])
@pytest.mark.parametrize("name", NAMES)
def test_better_answers_win(run: Run, name: str, method: str) -> None:
    def wins(model: Any) -> float:
        with torch.no_grad():
            better, worse = (sums(run, model.eval(), run.rows, role) for role in ("target", "rejected"))
        return float((better > worse).float().mean())

    before = wins(run.fresh(method))
    strategy = made(name)
    trained = run.go(method=method, strategies=[strategy])
    assert before < 0.8 and wins(run.model) == 1.0
    facts = trained.facts[name]
    assert facts["accuracy"] == 1.0 and facts["margin"] > 0 and facts["kl"] > 0 and name in facts["words"]


class Logged(Tracker):
    name, summary = "logged", "for tests"

    def __init__(self) -> None:
        self.lines: list[dict[str, float]] = []

    def log(self, step: int, values: Any) -> None:
        self.lines.append(dict(values))


@pytest.mark.parametrize("name", NAMES)
def test_the_log_shows_how_far_the_model_goes(run: Run, name: str) -> None:
    tracker = Logged()
    trained = run.go(strategies=[made(name)], trackers=[tracker])
    told = [line for line in tracker.lines if f"{name}/kl" in line]
    assert len(told) > 4
    assert [key for key in told[0] if "/" in key] == [f"{name}/kl", f"{name}/margin", f"{name}/accuracy"]
    assert told[-1][f"{name}/kl"] > told[0][f"{name}/kl"] >= 0
    kept = [entry[name] for entry in trained.history if name in entry]
    assert [entry["kl"] for entry in kept] == [line[f"{name}/kl"] for line in told]


def test_the_divergence_is_zero_at_the_start_and_true_afterwards(run: Run) -> None:
    model = run.fresh().eval()
    here = state(run, model)
    drift = Drift(here, [np.array([0, 5, 9])] * 400)
    drift.texts = drift.texts * 40
    drift.then = drift._found(here)
    assert drift(here) == 0.0
    again = Drift.of_state(drift.state())
    with torch.no_grad():
        first = model(torch.tensor([[0, 5, 9]])).logits[0, -1].log_softmax(-1)
        for p in model.parameters():
            p.add_(torch.randn_like(p) * 0.02)
    assert drift(here) == again(here) > 0.0
    # of the first token alone, all tokens of the vocabulary known
    with torch.no_grad():
        now = model(torch.tensor([[0, 5, 9]])).logits[0, -1].log_softmax(-1)
    exact = float((first.exp() * (first - now)).sum())
    assert drift(here) == pytest.approx(exact, rel=2.0), "of the same size"


@pytest.mark.parametrize("name", NAMES)
def test_a_run_that_goes_too_far_ends(run: Run, name: str) -> None:
    with pytest.raises(TrainingError, match="away from its start, and max_kl is 1e-05") as told:
        run.go(strategies=[made(name, max_kl=1e-5)], name="never")
    assert "learning_rate" in (told.value.hint or "")
    calls: list[int] = []

    def evaluate() -> dict[str, float]:
        calls.append(1)
        return {"x": 1.0}

    settings = run.settings(evaluations=4.0, epochs=1.0)
    one = run.go(settings, strategies=[made(name, max_kl=1e6)], evaluate=evaluate, name="first")
    kl = one.history[0].get(name, one.facts[name])["kl"]
    trained = run.go(
        run.settings(evaluations=4.0), strategies=[made(name, max_kl=kl * 1.5)], evaluate=evaluate, name="halted"
    )
    assert trained.stopped_early and trained.steps < 16
    assert (
        trained.facts[name]["halted_at"] == trained.steps and "best that were measured" in trained.facts[name]["words"]
    )
    again = run.go(run.settings(evaluations=4.0), strategies=[made(name, max_kl=kl * 1.5)], name="halted")
    assert again.resumed_at == trained.steps, "and stays ended"


class Killed(Exception):
    """Stands for a kill."""


class KillAt(Strategy):
    name, summary = "kill", "for tests"

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, run: Any) -> None:
        if run.step == self.step:
            raise Killed


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_resumed_run_ends_as_an_undisturbed_one(run: Run, name: str, method: str) -> None:
    settings = run.settings(epochs=2, max_steps=8, checkpoint_seconds=0.0)
    whole = run.go(settings, name="whole", method=method, strategies=[made(name)])
    wanted = run.weights()
    with pytest.raises(Killed):
        run.go(settings, name="torn", method=method, strategies=[made(name), KillAt(5)])
    strategy = made(name)
    strategy.begin = lambda: pytest.fail("the start is gone: what it found was kept")
    torn = run.go(settings, name="torn", method=method, strategies=[strategy])
    assert torn.resumed_at == 4
    assert all(torch.equal(wanted[key], value) for key, value in run.weights().items())
    assert torn.history == whole.history and torn.facts == whole.facts


def test_the_best_is_chosen_by_what_is_learned(run: Run) -> None:
    """On validation rows: the loss falls and the accuracy rises from one half."""
    strategy = made("dpo")
    held = run.rows[::4]
    model = run.fresh()
    loss, here = begun(run, strategy, model, validation=held, indices=range(0, 24, 2))
    first = strategy.validate(None, held, [])
    accuracy, value = (family("metrics").make(name) for name in ("reward_accuracy", "preference_loss"))
    assert value(first) == pytest.approx(np.log(2), abs=1e-5) and accuracy(first) == 0.5
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    for _ in range(8):
        model.train()
        loss(model, {})[0].backward()
        optimizer.step()
        optimizer.zero_grad()
    last = strategy.validate(None, held, [])
    assert value(last) < 0.65 and accuracy(last) == 1.0


def test_kto_reads_pairs_too(run: Run, llama: Path, tmp_path: Path) -> None:
    flagged = [
        {"text": row["text"], "target": row[role], "desirable": role == "target"}
        for row in ROWS
        for role in ("target", "rejected")
    ]
    one, other = made("kto"), made("kto")
    apart = Run(llama, tmp_path, flagged)
    pairs, pairs_run = begun(run, one, run.fresh())
    singles, singles_run = begun(apart, other, apart.fresh())
    pairs_run.indices, singles_run.indices = range(4), range(8)
    values = []
    for value, model in ((pairs, pairs_run.model), (singles, singles_run.model)):
        model.train()
        values.append(float(value(model, {})[0].detach()))
    assert values[0] == pytest.approx(values[1], abs=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_in_bf16_it_learns_too(llama: Path, tmp_path: Path, name: str) -> None:
    run = Run(llama, tmp_path, precision="bf16")
    trained = run.go(method="lora", strategies=[made(name)])
    assert trained.facts[name]["accuracy"] == 1.0


class TestRefusals:
    def test_other_tasks_and_methods(self) -> None:
        methods, tasks = family("methods"), family("tasks")
        for name in NAMES:
            assert "no such model" in made(name).fits(tasks.make("text-classification"), methods.make("full"))
        assert "both weights" in made("kto", good=1.0).fits(tasks.make("text-classification"), methods.make("full"))

    @pytest.mark.parametrize("name", ["orpo", "kto", "distill", "label_smoothing", "replay", "r_drop", "dp_sgd"])
    def test_what_takes_the_loss_twice(self, name: str) -> None:
        other: Any = SimpleNamespace(name=name)
        with pytest.raises(RecipeError, match="exclude each other"):
            ordered([other, made("dpo")])

    def test_it_stands_closest_to_the_model(self) -> None:
        names = [s.name for s in ordered([family("strategies").make(n) for n in ("ema", "neftune")] + [made("dpo")])]
        assert names[0] == "dpo" and set(PREFERENCES) > set(NAMES)

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"rejected": ""}, 'row 3 has no "rejected" answer'),
            ({"rejected": None}, 'row 3 has no "rejected" answer'),
        ],
    )
    def test_rows_that_teach_nothing(self, llama: Path, tmp_path: Path, change: Any, words: str) -> None:
        rows = [{**row, **(change if i == 2 else {})} for i, row in enumerate(ROWS)]
        run = Run(llama, tmp_path, rows)
        for name in ("dpo", "orpo"):
            with pytest.raises(DataError, match=words):
                begun(run, made(name), run.fresh())

    def test_flags_that_do_not_say(self, llama: Path, tmp_path: Path) -> None:
        for flag, words in (("yes", "does not say whether"), (True, "all answers are good")):
            run = Run(llama, tmp_path, [{"text": r["text"], "target": r["target"], "desirable": flag} for r in ROWS])
            with pytest.raises(DataError, match=words):
                begun(run, made("kto"), run.fresh())

    def test_prompts_that_differ(self, run: Run) -> None:
        plain = run.encode
        run.encode = lambda rows: [  # type: ignore[method-assign]
            {**f, "input_ids": f["input_ids"][::-1]} if "rejected" not in row else f
            for row, f in zip(rows, plain(rows), strict=True)
        ]
        with pytest.raises(DataError, match="row 1 has another prompt"):
            begun(run, made("dpo"), run.fresh())

    def test_a_long_answer_that_cost_earlier_turns(self) -> None:
        long = np.arange(40)
        found = [shared_prompt(long, long[20:]), shared_prompt(long[20:], long)]
        assert all(f is not None and np.array_equal(f, long[20:]) for f in found)
        assert shared_prompt(long, long[::-1][20:]) is None and shared_prompt(long, long[::-1]) is None


def test_answers_that_do_not_differ_are_left_out_and_told(llama: Path, tmp_path: Path) -> None:
    rows = [{**row, **({"rejected": row["target"]} if i in (2, 5) else {})} for i, row in enumerate(ROWS)]
    run = Run(llama, tmp_path, rows)
    trained = run.go(run.settings(epochs=1), strategies=[made("dpo")])
    assert trained.facts["dpo"]["left_out"] == 2 and "2 rows were left out" in trained.facts["dpo"]["words"]
    alike = Run(llama, tmp_path, [{**row, "rejected": row["target"]} for row in ROWS])
    with pytest.raises(DataError, match="none has two answers"):
        begun(alike, made("dpo"), alike.fresh())
