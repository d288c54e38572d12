"""One prompt for several answers: the same log-probabilities and gradients, and less work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from preference_runs import TEXTS, Run
from test_preference import state

from tunesmith import testing
from tunesmith.core.contracts import Decoding
from tunesmith.core.registry import family
from tunesmith.training.strategies.answers import Answer
from tunesmith.training.strategies.drift import written_to
from tunesmith.training.strategies.shared_prompt import can_share, found_of, groups_of, shared_batch, worth


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shared")


def run_of(kind: str, home: Path) -> Run:
    make: Any = getattr(testing, f"tiny_{kind}")
    return Run(make(home / kind, texts=TEXTS), home)


def answers(lengths: list[tuple[int, list[int]]]) -> list[Answer]:
    random = np.random.default_rng(3)
    draw = lambda n: random.integers(4, 60, n).astype(np.int32)  # noqa: E731
    return [Answer(prompt, draw(n)) for length, many in lengths for prompt in [draw(length)] for n in many]


SOME = answers([(30, [3, 1, 4, 2]), (21, [2, 5, 3]), (1, [2])])


def test_a_row_a_prompt() -> None:
    assert [len(group) for group in groups_of(SOME)] == [4, 3, 1]
    made = shared_batch(SOME, 3)
    ids, labels, mask = made["input_ids"], made["labels"], made["attention_mask"][:, 0]
    assert ids.shape == (3, 29 + 4 + 10)
    assert torch.equal(labels[labels != -100], torch.tensor(np.concatenate([a.written for a in SOME])).long())
    assert made["position_ids"][0, 29:37].tolist() == [29, 30, 31, 32, 29, 30, 29, 30]
    second = 29 + 4  # the first token of the second answer's part: the prompt's last
    assert ids[0, second] == ids[0, 29] and mask[0, second].nonzero().flatten().tolist() == [*range(29), second]


@pytest.mark.parametrize("method", ["full", "lora", "prefix"])
def test_the_same_as_apart(home: Path, method: str) -> None:
    run = run_of("llama", home)
    model = run.fresh(method)
    torch.manual_seed(2)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn_like(p) * 0.05)
    here = state(run, model)
    assert worth(SOME) and can_share(here, SOME)
    weights = [p for p in model.parameters() if p.requires_grad]
    outer = torch.randn(sum(len(a.written) for a in SOME))
    both = [found_of(here, model.train(), SOME, share=share) for share in (False, True)]
    torch.testing.assert_close(both[1], both[0], atol=1e-5, rtol=1e-5)
    one, other = (torch.autograd.grad((found * outer).sum(), weights) for found in both)
    for apart, shared in zip(one, other, strict=True):
        torch.testing.assert_close(shared, apart, atol=1e-4, rtol=1e-3)


def test_where_it_is_no_gain_or_not_known() -> None:
    assert not worth(answers([(3, [30, 30])])), "long answers"
    assert not worth(answers([(1020, [9, 9])])), "a mask too large"


def test_a_kind_of_model_that_is_not_known_is_left_alone(home: Path) -> None:
    run = run_of("gpt2", home)
    assert not can_share(state(run, run.fresh()), SOME)


METHODS = ["full", "lora", "prefix", "adapter"]


@pytest.mark.parametrize(("kind", "method"), [*(("llama", m) for m in METHODS), ("gpt2", "full")])
def test_prompts_are_read_once_and_the_same_is_written(home: Path, kind: str, method: str) -> None:
    """Greedily, texts to one prompt are those that are written to it alone; drawn ones differ."""
    run = run_of(kind, home)
    if family("methods").make(method).fits(run.task, run.fresh("full").config):
        pytest.skip("not for this kind")
    model = run.fresh(method)
    torch.manual_seed(2)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn_like(p) * 0.1)
    here = state(run, model)
    prompts = [answer.prompt for answer in SOME[::3]]
    greedy = Decoding(max_new_tokens=6)
    alone = [ids.tolist() for prompt in prompts for ids in written_to(here, [prompt], greedy)]
    three = [ids.tolist() for ids in written_to(here, prompts, greedy, 3)]
    assert three == [ids for ids in alone for _ in range(3)]
    drawn = written_to(here, prompts, Decoding(max_new_tokens=6, temperature=1.0, seed=5), 3)
    assert len({tuple(ids) for ids in drawn}) > len(prompts)
