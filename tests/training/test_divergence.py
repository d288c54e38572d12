"""A run that has lost its way is stopped, and told from one that has not."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from tunesmith.core.contracts import Strategy
from tunesmith.core.errors import TrainingError
from tunesmith.training.divergence import WINDOW, Watch, exploded

ROWS = [{"row": 4}, {"row": 0}, {"row": -1}]


def test_a_loss_that_is_no_number_is_said_with_its_rows() -> None:
    with pytest.raises(
        TrainingError, match=r"The loss is nan at step 7: .*diverged. .* training rows 1, 5\."
    ) as caught:
        Watch().look(math.nan, 7, ROWS)
    assert "learning_rate" in caught.value.hint and "rows" in caught.value.hint
    with pytest.raises(TrainingError, match="gradient's norm is inf at step 3"):
        Watch().gradient(math.inf, 3, [])


def test_losses_out_of_all_proportion_are_an_explosion() -> None:
    watch = Watch()
    for step in range(WINDOW):
        watch.look(2.0, step, ROWS)
    watch.look(1000.0, WINDOW, ROWS)  # one odd batch
    for step in range(2 * WINDOW):
        watch.look(1.0, step, ROWS)
    with pytest.raises(TrainingError, match="last 20 batches is .* and was 2 over the first"):
        for step in range(2 * WINDOW):
            watch.look(30.0, step, ROWS)


def test_what_starts_close_to_nothing_may_grow() -> None:
    assert not exploded([0.001] * WINDOW, [2.0] * WINDOW)
    assert exploded([0.001] * WINDOW, [10.1] * WINDOW)
    assert not exploded([3.0] * WINDOW, [1e9] * (WINDOW - 1)), "too few to judge"


def test_a_resumed_watch_goes_on() -> None:
    watch = Watch()
    for _ in range(WINDOW + 5):
        watch.look(2.0, 1, [])
    again = Watch(watch.seen)
    with pytest.raises(TrainingError, match="diverged"):
        for _ in range(WINDOW):
            again.look(500.0, 1, [])


def test_the_loop_names_the_rows_of_the_batch(run: Any) -> None:
    seen: list[list[int]] = []

    class Spoil(Strategy):
        name, summary = "spoil", "for tests"

        def loss(self, compute: Any) -> Any:
            def spoiled(model: Any, batch: Any) -> Any:
                loss, outputs = compute(model, batch)
                seen.append(batch["labels"].tolist())
                return (loss * math.nan if len(seen) == 11 else loss), outputs

            return spoiled

    with pytest.raises(TrainingError, match="The loss is nan at step 11") as caught:
        run.go(strategies=[Spoil()])
    told = caught.value.problem.split("training rows ")[1].rstrip(".").split(", ")
    assert len(told) == 8
    targets = {int(row) - 1: run.features[int(row) - 1]["target"] for row in told}
    assert sorted(targets.values()) == sorted(seen[10]), "the rows of this very batch"


def test_a_gradient_that_is_no_number_stops_before_the_step(run: Any) -> None:
    class Spoil(Strategy):
        name, summary = "spoil", "for tests"

        def after_backward(self, run: Any, batch: Any, compute: Any) -> None:
            run.model.classifier.weight.grad.fill_(math.inf)

    with pytest.raises(TrainingError, match="gradient's norm is .* at step 1"):
        run.go(strategies=[Spoil()])
    assert all(torch.isfinite(p).all() for p in run.model.parameters())
