"""What a bundle's own recipe says of the next run: what was set holds, what was decided is decided anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from toy_files import write_csv

from tunesmith.bundle.read import Bundle, read_bundle
from tunesmith.core.artefacts import Parity
from tunesmith.core.errors import RecipeError
from tunesmith.core.recipe import CleanBlock, EvaluationBlock, PluginBlock, TrainingBlock
from tunesmith.core.registry import family
from tunesmith.pipeline.inherited import decided_by_itself, left_out, refuse_less_private
from tunesmith.pipeline.learn import LearnOptions, allowed, go_on_from, learn
from tunesmith.pipeline.plan import Plan, plan
from tunesmith.pipeline.protected import as_recipe, protected
from tunesmith.testing import toy_rows
from tunesmith.training.settings import decided

RATES = ("learning_rate", "head_learning_rate", "weight_decay", "layer_decay", "epochs", "batch_size", "warmup")


@pytest.fixture(scope="module")
def place(files: dict[str, Path], models: dict[str, str], tmp_path_factory: Any) -> Iterator[Path]:
    """A bundle by full tuning whose rates nobody set; its reload is taken on trust."""
    from tunesmith import tune

    with pytest.MonkeyPatch.context() as patch:
        trusted = Parity("save and reload", 1, 0.0, 1.0, 1e-4, True)
        patch.setattr("tunesmith.pipeline.save.prove_reload", lambda *args: trusted)
        folder = tmp_path_factory.mktemp("inherited")
        tune(
            str(files["en"]), f"model={models['bert']}", f"bundle={folder / 'parent'}", "training.max_steps=2",
            "training.seed=7", "training.batch_size=8", "training.patience=null", "evaluation.baselines=false",
            "evaluation.resamples=100", "training.strategies=[fgm]",
            "evaluation.gate={accuracy: '>= 0.0', macro_f1: '>= 0.0'}",
        )  # fmt: skip
        write_csv(folder / "new.csv", toy_rows("en", 60, seed=5))
        yield folder


def test_the_rows_of_a_step_are_decided_together(parent: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    from tunesmith.pipeline.inherited import training

    monkeypatch.setattr(type(parent.task), "training", {"batch_size": 4, "accumulate": 8})
    for block, own in (((4, 8), True), ((4, 1), False), ((32, 1), False)):
        parent.recipe.training = parent.recipe.training.model_copy(
            update=dict(zip(("batch_size", "accumulate"), block, strict=True))
        )
        assert (
            {"batch_size", "accumulate"} <= decided_by_itself(parent)
            if own
            else (not {"batch_size", "accumulate"} & decided_by_itself(parent))
        )
        kept = training(parent, parent.manifest.method.name, {"batch_size"})
        assert kept.get("accumulate") is None, "of a batch size that is given, steps of one batch are made"


@pytest.fixture
def parent(place: Path) -> Bundle:
    return read_bundle(place / "parent")


def planned(parent: Bundle, *overrides: str) -> Plan:
    place = parent.path.parent
    return plan(as_recipe(parent, str(place / "new.csv"), list(overrides), str(place / "none")))


def rates(training: TrainingBlock) -> dict[str, Any]:
    return training.model_dump(include=set(RATES))


def test_the_same_method_learns_as_before(parent: Bundle) -> None:
    made = planned(parent)
    was, now = parent.recipe.training, made.recipe.training
    assert rates(now) == rates(was) and now.batch_size == 8 and now.seed == 7
    assert was.patience is None and now.patience is None, "never to stop early was set"
    assert now.max_steps is None and not now.strategies


def test_another_method_has_rates_of_its_own(parent: Bundle) -> None:
    made = planned(parent, "method=lora", "training.epochs=3")
    alone = decided(TrainingBlock(epochs=3), made.method, made.task, [], len(made.data.train))
    assert rates(made.recipe.training) == rates(alone) and made.recipe.training.seed == 7
    assert made.recipe.training.layer_decay == 1.0 and made.recipe.training.learning_rate == 2e-3


def test_the_heads_rate_follows_a_new_one(parent: Bundle) -> None:
    was, now = parent.recipe.training, planned(parent, "training.learning_rate=1e-6").recipe.training
    assert was.learning_rate and was.head_learning_rate and now.head_learning_rate
    assert now.head_learning_rate == pytest.approx(was.head_learning_rate * 1e-6 / was.learning_rate)
    both = planned(parent, "training.learning_rate=1e-6", "training.head_learning_rate=1e-5").recipe.training
    assert both.head_learning_rate == 1e-5


def test_what_was_set_for_the_bundle_holds_and_epochs_for_few_rows_do_not(parent: Bundle) -> None:
    assert decided_by_itself(parent) == set(RATES) - {"batch_size"}
    rows = parent.report["context"]["rows"]["train"]
    vars(parent.task)["training"] = {"least_steps": 5 * -(-rows // 8)}  # as for tags
    set_by_hand = {**parent.recipe.training.model_dump(), "warmup": 0.3, "head_learning_rate": 5e-3, "epochs": 5}
    vars(parent)["recipe"] = parent.recipe.model_copy(update={"training": TrainingBlock(**set_by_hand)})
    assert decided_by_itself(parent) == {"epochs", "learning_rate", "weight_decay", "layer_decay"}
    training = as_recipe(parent, str(parent.path.parent / "new.csv"), [], "none").training
    assert (training.warmup, training.head_learning_rate, training.epochs) == (0.3, 5e-3, None)


def test_the_gate_and_the_checks_hold_and_what_is_left_out_is_told(parent: Bundle) -> None:
    assert planned(parent).recipe.evaluation == parent.recipe.evaluation
    gate = {"accuracy": ">= 0.0", "macro_f1": ">= baseline + 0.02", "log_loss": "< tfidf", "odds_gap": "<= 0.1"}
    vars(parent)["recipe"] = parent.recipe.model_copy(
        update={"evaluation": EvaluationBlock.model_validate({"gate": gate, "checks": ["calibration"]})}
    )
    made = planned(parent)
    assert made.recipe.evaluation.gate == {"accuracy": ">= 0.0", "log_loss": "< tfidf"}
    assert [check.name for check in made.recipe.evaluation.checks] == ["calibration"]
    (note,) = left_out(parent, made.recipe)
    assert "strategies: fgm" in note and "macro_f1 >= baseline + 0.02, odds_gap <= 0.1" in note
    assert "odds_gap" not in left_out(parent, planned(parent, "evaluation.gate.accuracy=> 0.1").recipe)[0].split(";")[0]
    assert left_out(parent, planned(parent, "training.strategies=[fgm]").recipe)[0].count("fgm") == 0


def test_redaction_holds(parent: Bundle) -> None:
    clean = CleanBlock(redact=True)
    data = parent.recipe.data.model_copy(update={"clean": clean})
    vars(parent)["recipe"] = parent.recipe.model_copy(update={"data": data})
    assert planned(parent).recipe.data.clean == clean
    assert not planned(parent, "data.clean.redact=false").recipe.data.clean.redact


def test_a_private_bundle_does_not_learn_on_without_privacy(parent: Bundle, files: dict[str, Path]) -> None:
    strategies = [PluginBlock(name="dp_sgd")]
    training = parent.recipe.training.model_copy(update={"strategies": strategies})
    vars(parent)["recipe"] = parent.recipe.model_copy(update={"training": training})
    new, options = str(parent.path.parent / "new.csv"), LearnOptions(str(files["en"]))
    plain = as_recipe(parent, new, [], "none")
    with pytest.raises(RecipeError, match="was tuned with dp_sgd"):
        refuse_less_private(parent, plain)
    refuse_less_private(parent, as_recipe(parent, new, ["training.strategies=[{name: dp_sgd, epsilon: 4}]"], "none"))
    with pytest.MonkeyPatch.context() as patch:
        for apart in (False, True):
            patch.setattr("tunesmith.pipeline.learn.read_bundle", lambda path: parent)
            with pytest.raises(RecipeError, match="was tuned with dp_sgd"):
                learn(parent.path, new, [], replace(options, apart=apart))


def test_only_what_protects_gets_the_protected_rows(parent: Bundle, files: dict[str, Path], tmp_path: Path) -> None:
    unlabelled, others = tmp_path / "unlabelled.csv", write_csv(tmp_path / "others.csv", toy_rows("en", 20, seed=3))
    unlabelled.write_text("text\n" + "\n".join(f"a text {i}" for i in range(20)), "utf-8")
    old = protected(parent, str(files["en"]))
    for given, path, rows in (
        (f"{{name: uda, path: {unlabelled}}}", str(unlabelled), None),
        (f"{{name: pseudo_labels, path: {unlabelled}}}", str(unlabelled), None),
        (f"{{name: replay, path: {others}}}", str(others), None),
        (f"{{name: replay, path: {files['en']}}}", "", old.memory),
        (f"{{name: ewc, path: {files['en']}}}", "", old.memory),
    ):
        made = planned(parent, f"training.strategies=[{given}]")
        go_on_from(made, parent, old)
        (strategy,) = made.strategies
        assert (strategy.path, strategy.rows) == (path, rows), given  # type: ignore[attr-defined]


def test_a_fall_that_is_not_defined_does_not_pass() -> None:
    assert allowed(0.02, 0.02) and allowed(-0.3, 0.0) and not allowed(0.03, 0.02)
    assert not any(allowed(fall, 0.02) for fall in (float("nan"), float("inf"), float("-inf")))


def test_earlier_weights_say_nothing_of_classes_that_came_later() -> None:
    import torch

    from tunesmith.training.strategies.teachers import Earlier, answers

    head = torch.nn.Linear(4, 3)
    task = family("tasks").make("text-classification", {})
    task.restore({"labels": ["a", "b", "new"], "counts": [1, 1, 1]})
    run = SimpleNamespace(task=task, model=head, trained=lambda: {}, autocast=nullcontext)
    task.forward = lambda model, batch: SimpleNamespace(logits=model(batch["x"]))
    batch = {"x": torch.randn(5, 4), "labels": torch.tensor([0, 1, 2, 2, 0])}
    (told,) = answers(Earlier(run, known=2), run, batch)
    torch.testing.assert_close(told, head(batch["x"]).detach()[:, :2])
    assert Earlier(run, known=3).columns is None and Earlier(run).columns is None


def test_the_classes_that_lwf_may_speak_of_are_the_bundles(parent: Bundle, files: dict[str, Path]) -> None:
    made = planned(parent, "training.strategies=[lwf]")
    go_on_from(made, parent, protected(parent, str(files["en"])))
    assert vars(made.strategies[0])["known"] == len(parent.task.labels)


def test_the_loss_counts_the_classes_that_are_trained_on(parent: Bundle, files: dict[str, Path]) -> None:
    old = protected(parent, str(files["en"]))
    was = parent.task.state["counts"]
    for given, replayed in (("[]", 0.0), (f"[{{name: replay, path: {files['en']}, share: 0.5}}]", 1.0)):
        made = planned(parent, f"training.strategies={given}")
        new = Counter(row["label"] for row in made.data.train)
        go_on_from(made, parent, old)
        memory, n = Counter(row["label"] for row in old.memory), len(made.data.train)
        wanted = {label: new[label] + replayed * n * memory[label] / len(old.memory) for label in parent.task.labels}
        assert vars(made.task)["_trained_on"] == pytest.approx(wanted)
        assert made.task.state["counts"] == [a + new[label] for a, label in zip(was, parent.task.labels, strict=True)]
