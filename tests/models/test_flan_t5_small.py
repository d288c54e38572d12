"""flan-t5-small, against the graphs of the package that it comes from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tunesmith.core.errors import ModelError
from tunesmith.models.build import _apart
from tunesmith.models.load import load_processor, quiet
from tunesmith.models.packaged.flan_t5_small import FLAN_T5_SMALL
from tunesmith.models.reference import ModelReference, resolve

pytestmark = pytest.mark.skipif(not FLAN_T5_SMALL.installed, reason="traceforge-title-model is not installed")
pytest.importorskip("onnx")

TEXT = "translate English to German: The house is wonderful."


@pytest.fixture(scope="module")
def reference() -> ModelReference:
    return resolve("flan-t5-small")


@pytest.fixture(scope="module")
def model(reference: ModelReference) -> Any:
    from transformers import AutoModelForSeq2SeqLM

    with quiet():
        found, loading = AutoModelForSeq2SeqLM.from_pretrained(reference.path, output_loading_info=True)
    assert not loading["missing_keys"] and not loading["unexpected_keys"]
    return found.eval()


def test_what_is_known_of_it(reference: ModelReference) -> None:
    assert (reference.source, reference.revision) == ("package", "traceforge-title-model==0.2.0")
    assert (reference.pooling, reference.prefix, reference.max_length) == (None, "", 512)
    assert reference.parameters == FLAN_T5_SMALL.parameters
    said = Path(reference.path, "README.md").read_text("utf-8")
    assert "Apache-2.0" in said and "google/flan-t5-small" in said and "titles" in said


def without_rounding(path: Path) -> Any:
    """A session of the graph whose products keep what passes between layers in float32; weights as they are."""
    import onnx
    from onnx import numpy_helper

    runtime = pytest.importorskip("onnxruntime")
    found = onnx.load(str(path))
    arrays = {one.name: one for one in found.graph.initializer}
    for node in found.graph.node:
        if node.op_type == "DynamicQuantizeLinear":
            whole, scale, _ = node.output
            node.op_type, node.output[:] = "Identity", [whole]
            found.graph.initializer.append(numpy_helper.from_array(np.float32(1), scale))
        if node.op_type == "MatMulInteger" and node.input[1] in arrays:
            name, zero = node.input[1], node.input[3]
            matrix = (numpy_helper.to_array(arrays[name]).astype("f") - numpy_helper.to_array(arrays[zero])).astype("f")
            found.graph.initializer.append(numpy_helper.from_array(matrix, f"{name}_float"))
            node.op_type, node.input[:] = "MatMul", [node.input[0], f"{name}_float"]
    del found.graph.value_info[:]
    assert not any(node.op_type == "MatMulInteger" for node in found.graph.node)
    return runtime.InferenceSession(found.SerializeToString())


def test_same_outputs_as_the_packages_graphs(model: Any, reference: ModelReference) -> None:
    folder = FLAN_T5_SMALL.weights_path().parent  # type: ignore[union-attr]
    batch = load_processor(reference)(TEXT, return_tensors="pt")
    given = {name: batch[name].numpy() for name in ("input_ids", "attention_mask")}
    states = without_rounding(folder / "encoder.onnx").run(None, given)[0]
    start = {"input_ids": np.array([[0, 644]]), "encoder_attention_mask": given["attention_mask"]}
    logits = without_rounding(folder / "decoder.onnx").run(None, {**start, "encoder_hidden_states": states})[0]
    with torch.no_grad():
        outputs = model(**batch, decoder_input_ids=torch.tensor([[0, 644]]))
    np.testing.assert_allclose(outputs.encoder_last_hidden_state.numpy(), states, atol=1e-4)
    np.testing.assert_allclose(outputs.logits.numpy(), logits, atol=1e-3)


def test_it_writes_german(model: Any, reference: ModelReference) -> None:
    processor = load_processor(reference)
    batch = processor(TEXT, return_tensors="pt")
    written = model.generate(**{k: batch[k] for k in ("input_ids", "attention_mask")}, max_new_tokens=12)
    assert processor.decode(written[0], skip_special_tokens=True) == "Das Haus ist wunderbar."


def test_a_larger_vocabulary_leaves_the_output_layer_alone(model: Any) -> None:
    from copy import deepcopy

    grown = deepcopy(model)
    before = grown.lm_head.weight.detach().clone()
    _apart(grown)
    grown.resize_token_embeddings(32_130, mean_resizing=False)
    assert torch.equal(grown.lm_head.weight[:32_128], before)
    assert not torch.equal(grown.lm_head.weight, grown.shared.weight)


def test_tokenizer(reference: ModelReference) -> None:
    processor = load_processor(reference)
    assert processor.is_fast and len(processor) == 32_100
    assert processor("word " * 600).input_ids[-1] == processor.eos_token_id
    assert len(processor("word " * 600).input_ids) > 512, "nothing is cut without being asked for"
    assert processor.unk_token_id in processor("今天天气很好").input_ids, "it knows no Chinese: the card says so"


def test_every_file_of_the_package_is_checked() -> None:
    other = replace(FLAN_T5_SMALL, name="not-kept", beside={"decoder.onnx": "0" * 64})
    with pytest.raises(ModelError, match=r"decoder\.onnx.*damaged"):
        other.folder()
