"""A student is some of its teacher's layers, and a folder that tuning starts from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from toy_models import answers

from tunesmith.compression.student import reach, student
from tunesmith.core.errors import RecipeError
from tunesmith.models.encoder_layers import encoder_layers
from tunesmith.models.heads import mean

Make = Callable[[str], Any]


@pytest.mark.parametrize("family", ["bert", "distilbert", "roberta"])
def test_a_student_is_every_other_layer(family: str, classifier: Make, batches: Make) -> None:
    teacher, batch = classifier(family), batches(family)[0]
    before = answers(teacher, batch)
    made = student(teacher, 2)
    own, old = encoder_layers(made), encoder_layers(teacher)
    assert len(own) == made.config.num_hidden_layers == 2 and len(old) == 4
    for layer, number in zip(own, (0, 3), strict=True):
        assert torch.equal(layer.down.weight, old[number].down.weight)
        assert layer.down.weight is not old[number].down.weight
    assert torch.equal(answers(teacher, batch), before) and answers(made, batch).shape == before.shape
    again = student(teacher, [0, 1, 2, 3])
    assert torch.equal(answers(again, batch), before)


def test_a_student_keeps_the_mean_and_can_be_narrower(classifier: Make, batches: Make) -> None:
    teacher = classifier("bert")
    mean.append(teacher)
    mean.shorten(teacher)
    made = student(teacher, 1, feed_forward=0.25)
    assert mean.has_mean(made) and made.config.num_hidden_layers == 2 and made.config.intermediate_size == 16
    assert torch.isfinite(answers(made, batches("bert")[0])).all()
    old, own = encoder_layers(teacher)[0], encoder_layers(made)[0]
    best = reach(old.up.weight, old.down.weight).topk(16).indices.sort().values
    assert torch.equal(own.up.weight, old.up.weight[best])


def test_no_student_has_more_layers(classifier: Make) -> None:
    with pytest.raises(RecipeError, match="layers must be a number from 1 to 4"):
        student(classifier("bert"), 5)
