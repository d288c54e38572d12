from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from tunesmith.core.contracts import Decoding
from tunesmith.models.decoder.choose import banned, chosen, drawn, present, probabilities, repeated

LOGITS = torch.randn(600, generator=torch.Generator().manual_seed(1)) * 2


@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p"), [(0.7, 0, 1.0), (1.0, 7, 1.0), (1.3, 0, 0.4), (1.0, 50, 0.9), (3.0, 0, 0.99)]
)
def test_the_same_tokens_as_transformers_draws_from(temperature: float, top_k: int, top_p: float) -> None:
    scores = TemperatureLogitsWarper(temperature)(None, LOGITS[None])
    if top_k:
        scores = TopKLogitsWarper(top_k)(None, scores)
    scores = TopPLogitsWarper(top_p)(None, scores) if top_p < 1 else scores
    wanted = torch.softmax(scores[0], -1)
    found = probabilities(LOGITS.numpy(), Decoding(temperature=temperature, top_k=top_k, top_p=top_p))
    np.testing.assert_allclose(found / found.sum(), wanted, atol=1e-6)


def test_draws_follow_the_probabilities() -> None:
    probable = np.array([0.0, 0.5, 0.0, 0.2, 0.0])  # what is left of 1 was cut off
    counts = Counter(drawn(probable, i / 700) for i in range(700))
    assert counts == {1: 500, 3: 200}
    assert drawn(probable, 0.0) == 1 and drawn(probable, 1 - 1e-16) == 3


def test_penalties() -> None:
    logits = repeated(np.array([2.0, -2.0, 1.0]), {0, 1}, 2.0)
    assert logits.tolist() == [1.0, -4.0, 1.0]
    logits = present(np.zeros(3), [1, 1, 2], presence=0.5, frequency=0.25)
    assert logits.tolist() == [0.0, -1.0, -0.75]
    assert chosen(np.array([0.0, 0.3]), Decoding(presence_penalty=0.5), [0], [1], {0}, 0.0) == 0
    assert chosen(np.array([0.0, 0.3]), Decoding(presence_penalty=0.5), [1], [], {0}, 0.0) == 1  # not the prompt


def test_the_end_may_not_come_too_early() -> None:
    logits = np.array([5.0, 1.0])
    assert chosen(logits, Decoding(min_new_tokens=2), [1], [1], {0}, 0.0) == 1
    assert chosen(logits, Decoding(min_new_tokens=2), [1], [1, 1], {0}, 0.0) == 0
    assert logits[0] == 5  # the caller's own are not changed


@pytest.mark.parametrize(
    ("ids", "size", "wanted"), [([1, 2, 1], 2, [2]), ([1, 2], 3, []), ([4, 4], 1, [4, 4]), ([], 2, [])]
)
def test_banned(ids: list[int], size: int, wanted: list[int]) -> None:
    assert banned(ids, size) == wanted
