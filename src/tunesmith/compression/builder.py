"""A causal model as an ONNX graph with its cache of keys and values, by the builder of onnxruntime-genai."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tunesmith.bundle.fresh import Fresh
from tunesmith.bundle.layout import CONFIG
from tunesmith.bundle.parity import offline_environment
from tunesmith.core.errors import ModelError, TunesmithError
from tunesmith.core.extras import need

BUILDER = "onnxruntime_genai"
FRESH = Fresh("tunesmith.compression.building")
KNOWN = (
    "Ernie4_5ForCausalLM", "GemmaForCausalLM", "GraniteForCausalLM", "LlamaForCausalLM", "MistralForCausalLM",
    "NemotronForCausalLM", "PhiForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM",
)  # fmt: skip
"""Architectures that give transformers' logits when built with random weights. The builder 0.18 takes more: of those
tried OLMo came out wrong, and Gemma 2 and 3, Phi 3 and SmolLM 3 not at all."""
INSTEAD = "Keep the bundle as it is, or tune a model of another family: model=smollm2"


def refuse_unknown(model: Path) -> None:
    """Look at a model's configuration alone.

    Args:
        model: a plain Hugging Face folder.

    Raises:
        ModelError: it is of an architecture that has no such graph, or its code is its own.
    """
    config: dict[str, Any] = json.loads((model / CONFIG).read_text("utf-8"))
    found = (config.get("architectures") or ["unknown"])[0]
    if found not in KNOWN:
        names = ", ".join(name.removesuffix("ForCausalLM") for name in KNOWN)
        raise ModelError(
            f"A model of the architecture {found} cannot be written as a graph with a cache; these can: {names}.",
            INSTEAD,
        )
    if config.get("auto_map"):
        raise ModelError(f"The model of {model} brings its own code, which is not run.", INSTEAD)
    kinds = set(config.get("layer_types") or ()) - {"full_attention", "sliding_attention"}
    if kinds:
        raise ModelError(f"The model has layers that keep a state ({', '.join(sorted(kinds))}).", INSTEAD)


def build(model: Path, target: Path, precision: str, options: Mapping[str, str] | None = None) -> None:
    """Write ``target/model.onnx`` and ``target/model.onnx.data``, in a process of its own and without a network.

    Args:
        model: a plain Hugging Face folder; no code of it is run.
        target: a folder; it is made.
        precision: of the weights: "fp32", "int8" or "int4".
        options: the builder's own, beside those.

    Raises:
        ExtraMissing: onnxruntime-genai is not installed.
        TunesmithError: the builder failed; its last words are in the message.
    """
    need(BUILDER, extra="shrink", purpose="writing a graph with a cache")
    target.mkdir(parents=True, exist_ok=True)
    extra = {"hf_remote": "false", "hf_token": "false", **(options or {})}
    words = ["-m", "model", "-e", "cpu", "-p", precision, "-i", str(model.absolute()), "-o", str(target.absolute())]
    words += ["-c", str(target.absolute() / "cache"), "--extra_options", *(f"{key}={extra[key]}" for key in extra)]
    code, said = FRESH.run(words, offline_environment())
    if code or not (target / "model.onnx").is_file():
        raise TunesmithError(
            f"The builder of onnxruntime-genai cannot bring the model to {precision}: {_words(code, said)}", INSTEAD
        )


def _words(code: int, said: str) -> str:
    """The last of what it said, and a signal that ended it."""
    if code < 0:
        return f"it was killed by signal {-code}; was the memory enough?"
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it said nothing."
