"""How far a model is asked token by token."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from transformers import MistralConfig, MistralForCausalLM

from tunesmith.core.contracts import Decoding
from tunesmith.core.errors import ModelError
from tunesmith.models.decoder.limits import longest, slides_over
from tunesmith.service.writing.opened import decoder_of
from tunesmith.service.writing.settings import WritingSettings


def sliding(over: int | None, max_length: int) -> Any:
    shape = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = MistralConfig(
        **shape, num_key_value_heads=1, vocab_size=20, max_position_embeddings=96, sliding_window=over
    )
    task = SimpleNamespace(decoding=Decoding(max_new_tokens=16))
    model = MistralForCausalLM(config).eval()
    return SimpleNamespace(runtime=SimpleNamespace(model=model, precision="fp32"), task=task, max_length=max_length)


def test_sliding_attention_that_sees_too_little_is_told_and_the_model_stays() -> None:
    predictor = sliding(32, max_length=64)
    for settings, wanted in ((WritingSettings(), 80), (WritingSettings(context=48), 48)):
        with pytest.raises(ModelError, match=f"asked for 32 tokens.*may have {wanted}") as caught:
            decoder_of(predictor, settings)
        assert "context: 32" in caught.value.hint
    assert next(predictor.runtime.model.parameters()).device.type == "cpu", "it writes whole answers"
    assert decoder_of(predictor, WritingSettings(context=32)).length == 32
    assert decoder_of(sliding(32, max_length=16), WritingSettings()).length == 32
    assert decoder_of(sliding(None, max_length=64), WritingSettings()).length == 96
    assert decoder_of(sliding(256, max_length=64), WritingSettings(context=90)).length == 90


def test_windows_by_the_configuration() -> None:
    gemma = SimpleNamespace(max_position_embeddings=32768, sliding_window=512)
    assert (slides_over(gemma), longest(gemma)) == (512, 512)
    assert slides_over(SimpleNamespace(n_positions=64)) is None and longest(SimpleNamespace()) == 2048
