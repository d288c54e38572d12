from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tunesmith import testing
from tunesmith.core.errors import ModelError
from tunesmith.core.registry import family
from tunesmith.models.build import build
from tunesmith.models.reference import resolve
from tunesmith.objectives.objective import PROBED
from tunesmith.objectives.shelf import in_memory
from tunesmith.pipeline.pretrain_save import by_part

CORPUS = testing.toy_documents("en", 40)


def drawn(processor: Any, seed: int, *parts: str) -> Any:
    mixed = family("objectives").make("mixed", {"parts": dict.fromkeys(parts, 1.0)})
    mixed.restore({})
    return mixed, mixed.drawn(in_memory(CORPUS, processor), processor, max_length=48, seed=seed)


def test_what_is_asked_does_not_depend_on_the_order_of_the_parts(processor: Callable[[str], Any]) -> None:
    made = processor("bert")
    asked = []
    for parts in (("masked-lm", "simcse"), ("simcse", "masked-lm")):
        mixed, rows = drawn(made, PROBED, *parts)
        masked = [rows[i] for i, name in enumerate(rows.owner) if name == "masked-lm"]
        asked.append(mixed.parts["masked-lm"].collate(masked, made))
    assert np.array_equal(asked[0]["input_ids"], asked[1]["input_ids"])
    hidden = asked[0]["labels"] >= 0
    assert hidden.any() and (asked[0]["input_ids"][hidden] == made.mask_token_id).all(), (
        "what is measured is all hidden"
    )


def test_tokens_are_those_of_the_parts(processor: Callable[[str], Any]) -> None:
    _, rows = drawn(processor("bert"), 3, "masked-lm", "simcse")
    assert rows.tokens < 100 * len(rows) < sum(rows.lengths)


def test_figures_are_told_part_by_part() -> None:
    evidence = {
        "log_likelihood": np.log([0.5, 0.5, 0.1]), "target_tokens": np.ones(3),
        "target_hits": np.array([1.0, 1.0, 0.0]),
    }  # fmt: skip
    told = by_part({"before": evidence, "after": evidence}, ["a", "a", "b"], ("perplexity", "token_accuracy"))
    assert told["a"]["after"] == pytest.approx({"perplexity": 2.0, "token_accuracy": 1.0})
    assert told["b"]["before"] == pytest.approx({"perplexity": 10.0, "token_accuracy": 0.0})


@pytest.mark.parametrize("name", ["simcse", "mixed"])
def test_two_looks_without_dropout_are_refused(name: str, folder: Callable[[str], Path]) -> None:
    from transformers import AutoConfig, AutoModelForMaskedLM

    objective = family("objectives").make(name)
    objective.restore({})
    reference = resolve(str(folder("bert")))
    build(reference, objective)
    config = AutoConfig.from_pretrained(reference.path, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    with pytest.raises(ModelError, match="no dropout"):
        objective.built(AutoModelForMaskedLM.from_config(config))
