"""Tiny encoders of pictures and sounds with random weights, and small pictures and sounds as inline data."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tunesmith.models.cache import keep

_SEED = 13


def tiny_image(folder: str | Path, *, texts: Iterable[str] = ()) -> Path:
    """Write an EfficientNet-Lite of a tenth of the channels, for pictures of 32 x 32.

    Args:
        folder: where to.
        texts: not read; here so that all tiny models are made alike.
    """
    return _written(folder, {"model_type": "tunesmith-efficientnet-lite", "image_size": 32, "scale": 0.1}, "image")


def tiny_audio(folder: str | Path, *, texts: Iterable[str] = ()) -> Path:
    """Write a GE2E encoder of one layer of 16; arguments as of ``tiny_image``."""
    return _written(folder, {"model_type": "tunesmith-ge2e", "hidden_size": 16, "num_layers": 1}, "audio")


def tiny_whisper(folder: str | Path, *, texts: Iterable[str] = ()) -> Path:
    """Write a Whisper of one layer of 16, without a tokenizer; arguments as of ``tiny_image``."""
    shape = {
        "model_type": "whisper", "d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 32,
        "decoder_ffn_dim": 32, "encoder_attention_heads": 2, "decoder_attention_heads": 2, "num_mel_bins": 80,
        "max_source_positions": 60, "vocab_size": 51865, "pad_token_id": 50257,
    }  # fmt: skip
    return _written(folder, shape, "audio")


def picture_url(colour: tuple[int, int, int], size: int = 8) -> str:
    """A picture of one colour, as inline data."""
    from PIL import Image

    made = io.BytesIO()
    Image.new("RGB", (size, size), colour).save(made, "png")
    return f"data:image/png;base64,{base64.b64encode(made.getvalue()).decode()}"


def tone_url(hertz: float, seconds: float = 0.2, rate: int = 8000) -> str:
    """A tone, as inline data."""
    import numpy as np

    from tunesmith.core.extras import need

    soundfile: Any = need("soundfile", extra="media", purpose="sounds")
    made = io.BytesIO()
    wave = 0.5 * np.sin(np.arange(int(seconds * rate)) * (2 * np.pi * hertz / rate))
    soundfile.write(made, wave, rate, format="WAV")
    return f"data:audio/wav;base64,{base64.b64encode(made.getvalue()).decode()}"


def _written(folder: str | Path, config: dict[str, Any], modality: str) -> Path:
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    return keep(folder, json.dumps(config), lambda fresh: _write(fresh, config, modality))


def _write(folder: Path, config: dict[str, Any], modality: str) -> None:
    import torch
    from safetensors.torch import save_file

    from tunesmith.models.encoders.load import make_encoder

    with torch.random.fork_rng(devices=[]):  # the caller's random numbers stay as they were
        torch.manual_seed(_SEED)
        made = make_encoder(config, modality)
        for module in made.modules():
            if isinstance(module, torch.nn.Conv2d):  # else 16 blocks of few channels tell nothing apart
                torch.nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            elif isinstance(module, torch.nn.LSTM):
                torch.nn.init.uniform_(next(module.parameters()), -20.0, 20.0)
    save_file({name: tensor.contiguous() for name, tensor in made.state_dict().items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config, indent=2), "utf-8")
