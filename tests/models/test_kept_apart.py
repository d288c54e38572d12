"""Packed rows: no piece sees another, whatever attention a model has."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM

from tunesmith.core.errors import RecipeError
from tunesmith.models.kept_apart import keeps_apart
from tunesmith.models.tensors import tensors
from tunesmith.objectives.masked_lm import MaskedLM
from tunesmith.tasks.dialogue import Dialogue
from tunesmith.tasks.packing import apart, packed

SMALL: dict[str, dict[str, Any]] = {
    "llama": {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2},
    "gpt_neo": {"hidden_size": 32, "num_layers": 2, "num_heads": 2, "attention_types": [[["global", "local"], 1]]},
    "gptj": {"n_embd": 32, "n_layer": 2, "n_head": 2, "rotary_dim": 8},
    "bloom": {"hidden_size": 32, "n_layer": 2, "n_head": 2},
}


def made(kind: str, attention: str = "eager") -> Any:
    torch.manual_seed(3)
    config = AutoConfig.for_model(kind, vocab_size=64, initializer_range=0.5, **SMALL[kind])
    return AutoModelForCausalLM.from_config(config, attn_implementation=attention).eval()


@pytest.mark.parametrize(
    ("kind", "attention"), [("llama", "sdpa"), ("llama", "eager"), ("gpt_neo", "eager"), ("gptj", "eager")]
)
def test_no_conversation_sees_another(kind: str, attention: str) -> None:
    model = made(kind, attention)
    draw = np.random.default_rng(5)
    features: list[Any] = [
        {"input_ids": ids, "target": ids, "row": row}
        for row, size in enumerate((9, 7, 5))
        for ids in [draw.integers(3, 60, size).astype(np.int32)]
    ]
    [row] = packed(features, 21)
    batch = apart([row], {"input_ids": row["input_ids"][None].astype(np.int64)})
    with torch.no_grad():
        together = model(**tensors(batch), use_cache=False).logits[0].split(row["lengths"])
        alone = [model(torch.from_numpy(one["input_ids"]).long()[None]).logits[0] for one in features]
    for one, other in zip(alone, together, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
    assert keeps_apart(model)


ENCODERS: dict[str, tuple[dict[str, Any], bool]] = {
    "bert": ({}, True),
    "roberta": ({"pad_token_id": 1}, True),
    "electra": ({"embedding_size": 32}, True),
    "deberta-v2": ({"pos_att_type": ["c2p", "p2c"], "relative_attention": True}, False),
    "modernbert": ({"local_attention": 8, "global_attn_every_n_layers": 2, "pad_token_id": 0}, False),
}


@pytest.mark.parametrize("kind", list(ENCODERS))
def test_an_encoder_is_given_rows_of_several_documents_where_it_keeps_them_apart(kind: str) -> None:
    given, apart_kept = ENCODERS[kind]
    size = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    torch.manual_seed(3)
    config = AutoConfig.for_model(kind, vocab_size=64, initializer_range=0.5, **size, **given)
    model = AutoModelForMaskedLM.from_config(config).train()
    objective = MaskedLM()
    objective.built(model)
    assert objective._positions is apart_kept and model.training


def test_a_model_that_would_mix_them_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    Dialogue(packing=True).built(made("llama"))
    Dialogue(packing=False).built(made("bloom"))
    with pytest.raises(RecipeError, match="bloom") as caught:
        Dialogue(packing=True).built(made("bloom"))
    assert "task.packing=false" in caught.value.hint
    model = made("gpt_neo").train()
    own = model.forward

    def of_boolean_mask(input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None, **named: Any) -> Any:
        return own(input_ids, attention_mask=None if attention_mask is None else attention_mask == 0, **named)

    monkeypatch.setattr(model, "forward", of_boolean_mask)
    assert not keeps_apart(model), "added as 0 and 1, it masks nothing"
    assert model.training
