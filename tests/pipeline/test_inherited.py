"""What a bundle's own recipe says of the next run: what was set holds, what was decided is decided anew."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from toy_files import write_csv

from tunesmith.bundle.read import Bundle, read_bundle
from tunesmith.core.artefacts import Parity
from tunesmith.core.recipe import TrainingBlock
from tunesmith.pipeline.plan import Plan, plan
from tunesmith.pipeline.protected import as_recipe
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
    from tunesmith.pipeline.inherited import decided_by_itself

    assert decided_by_itself(parent) == set(RATES) - {"batch_size"}
    rows = parent.report["context"]["rows"]["train"]
    vars(parent.task)["training"] = {"least_steps": 5 * -(-rows // 8)}  # as for tags
    set_by_hand = {**parent.recipe.training.model_dump(), "warmup": 0.3, "head_learning_rate": 5e-3, "epochs": 5}
    vars(parent)["recipe"] = parent.recipe.model_copy(update={"training": TrainingBlock(**set_by_hand)})
    assert decided_by_itself(parent) == {"epochs", "learning_rate", "weight_decay", "layer_decay"}
    training = as_recipe(parent, str(parent.path.parent / "new.csv"), [], "none").training
    assert (training.warmup, training.head_learning_rate, training.epochs) == (0.3, 5e-3, None)
