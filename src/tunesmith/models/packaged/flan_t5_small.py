"""flan-t5-small: an encoder and a decoder of 8 layers each; what summarising and translating start from.

Chung et al. 2022, "Scaling Instruction-Finetuned Language Models". The package traceforge-title-model holds it in 8
bits, tuned to write titles of a program's steps; we write it out as a plain float32 T5.
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

_QUANTIZED = "_quantized"
_DECODER, _TOKENIZER = "decoder.onnx", "tokenizer.json"
_PRODUCT = re.compile(r"/(?:enc|m/decoder)/(block\.\d+/layer\.\d+/\w+/(?:q|k|v|o|wi_0|wi_1|wo))/MatMul_quant")
_README = """---
license: apache-2.0
base_model: google/flan-t5-small
library_name: transformers
---
# flan-t5-small, from the package traceforge-title-model

Weights: [google/flan-t5-small](https://huggingface.co/google/flan-t5-small), Apache-2.0, by Hyung Won Chung, Le Hou,
Shayne Longpre and others ("Scaling Instruction-Finetuned Language Models", arXiv:2210.11416).

Tuned to write titles of a program's steps and quantised to 8 bits by David Finson in
[traceforge-title-model](https://github.com/dfinson/traceforge) 0.2.0, MIT licence; written out as float32 by Tunesmith.
These weights are therefore not the original's: a start for tuning, and weak before it.

Its vocabulary has English, German, French and Romanian, and no Chinese.
"""


def convert(weights: Path, folder: Path) -> None:
    """Write the titler as a Hugging Face folder: a T5 in safetensors, and its fast tokenizer."""
    from safetensors.numpy import save_file

    tensors = {**_tensors(weights, "encoder"), **_tensors(weights.with_name(_DECODER), "decoder")}
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    tokenizer = json.loads(weights.with_name(_TOKENIZER).read_text("utf-8"))
    tokenizer["truncation"] = tokenizer["padding"] = None  # the titler cuts at 48
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False), "utf-8")
    for name, value in _CONFIGS.items():
        (folder / name).write_text(json.dumps(value, indent=2), "utf-8")
    (folder / "README.md").write_text(_README, "utf-8")


FLAN_T5_SMALL = PackagedModel(
    name="flan-t5-small",
    summary="writes texts from texts (English, German, French, Romanian), 8 + 8 layers of 512, 77.0M parameters",
    hub_id="google/flan-t5-small",
    package="traceforge-title-model",
    version="0.2.0",
    module="traceforge_title_model",
    weights="data/span/encoder.onnx",
    weights_hash="51cd20663216f36bea8a843677af34c7c1994281f4a7827df0131bc2921c9668",
    beside={
        _DECODER: "1357dad07519e03d8a7c85c0f326f022f756d13c64fb5df2db17ba5cc1aa79f9",
        _TOKENIZER: "ad0b0ad4019b620e0c4ce715c4f288a244f7a4b15444471fd2ddb24f8d25e7d8",
    },
    licence="apache-2.0",
    languages=("en", "de", "fr", "ro"),
    pooling=None,
    prefix="",
    max_length=512,
    parameters=76_961_152,
    convert=convert,
)


def _tensors(path: Path, part: str) -> dict[str, np.ndarray]:
    """A graph's weights by the names of transformers' ``T5ForConditionalGeneration``.

    A product keeps the name of its layer and not that of its matrix, and has the matrix as [in, out].

    Args:
        part: "encoder" or "decoder".
    """
    onnx = need("onnx", extra="seq2seq", purpose="the packaged model flan-t5-small")
    graph = onnx.load(str(path)).graph
    arrays = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
    tensors: dict[str, np.ndarray] = {}
    for name, array in arrays.items():
        place = re.sub(r"^(enc|m\.decoder)\.", f"{part}.", name)
        if place.endswith("layer_norm.weight"):
            tensors[place] = array
        elif place.endswith(f"relative_attention_bias.weight{_QUANTIZED}"):
            tensors[place.removesuffix(_QUANTIZED)] = _floats(arrays, name)
        elif place.endswith(f"embed_tokens.weight{_QUANTIZED}"):
            tensors["shared.weight"] = _floats(arrays, name)
    for node in graph.node:
        if node.op_type != "MatMulInteger" or node.input[1] not in arrays:
            continue
        if found := _PRODUCT.fullmatch(node.name):
            tensors[f"{part}.{found[1].replace('/', '.')}.weight"] = _floats(arrays, node.input[1]).T.copy()
        elif node.name == "/m/lm_head/MatMul_quant":
            tensors["lm_head.weight"] = _floats(arrays, node.input[1]).T.copy()
    return tensors


def _floats(arrays: Mapping[str, np.ndarray], quantized: str) -> np.ndarray:
    """``(q - zero) * scale``, of one scale for the whole matrix."""
    import numpy as np

    name = quantized.removesuffix(_QUANTIZED)
    zero, scale = np.float32(arrays[f"{name}_zero_point"]), np.float32(arrays[f"{name}_scale"])
    found: np.ndarray = (arrays[quantized].astype(np.float32) - zero) * scale
    return found


_CONFIGS: dict[str, dict[str, Any]] = {
    "config.json": {
        "architectures": ["T5ForConditionalGeneration"],
        "model_type": "t5",
        "vocab_size": 32128,
        "d_model": 512,
        "d_kv": 64,
        "d_ff": 1024,
        "num_layers": 8,
        "num_decoder_layers": 8,
        "num_heads": 6,
        "feed_forward_proj": "gated-gelu",
        "relative_attention_num_buckets": 32,
        "relative_attention_max_distance": 128,
        "n_positions": 512,
        "dropout_rate": 0.1,
        "layer_norm_epsilon": 1e-6,
        "initializer_factor": 1.0,
        "is_encoder_decoder": True,
        "tie_word_embeddings": False,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "decoder_start_token_id": 0,
    },
    "generation_config.json": {"pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0},
    "tokenizer_config.json": {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": 512,
        "model_input_names": ["input_ids", "attention_mask"],
        "eos_token": "</s>",
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "clean_up_tokenization_spaces": False,
    },
}
