"""Whisper's encoder on sounds as long as they are.

Radford et al. 2022, "Robust Speech Recognition via Large-Scale Weak Supervision". The original pads every sound to
30 s; here frames that are not there are not computed, which for a spoken word is a fiftieth of the work.

The last layer's states are made for a decoder that asks for words. What else is in a sound, and much of the words, is
plainer in the layers before it (Yang et al. 2021, SUPERB, which weighs all layers): a state here is the mean over all
of them, each brought to mean 0 and variance 1 first, since later ones are longer.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch.nn import functional

from tunesmith.models.encoders.encoder import Encoder, segments, there
from tunesmith.models.encoders.inputs import AudioInput

FRAMES = 12_000
"""Of stretches, that go through the layers together: half an hour in one batch takes 10 GB."""
_PREFIXES = ("model.encoder.", "encoder.")


class WhisperSound(Encoder):
    """[batch, frames of 10 ms, mels] -> vectors; longer sounds are read in stretches of 30 s."""

    modality: ClassVar[str] = "audio"

    def __init__(self, config: dict[str, Any]) -> None:
        from transformers import WhisperConfig
        from transformers.models.whisper.modeling_whisper import WhisperEncoder

        super().__init__(config)
        known = WhisperConfig(**{key: value for key, value in config.items() if key != "model_type"})
        known._attn_implementation = "sdpa"
        self.width = int(known.d_model)
        self.takes = AudioInput("whisper", mels=int(known.num_mel_bins))
        encoder: Any = WhisperEncoder(known)
        self.encoder = encoder
        encoder.layer_norm = torch.nn.Identity()  # of the last layer alone: not read
        self.longest = int(known.max_source_positions)

    @classmethod
    def from_folder(cls, folder: str) -> Self:
        """With the folder's weights; its decoder is left where it is."""
        from safetensors import safe_open

        made = cls(json.loads(Path(folder, "config.json").read_text("utf-8")))
        with safe_open(Path(folder, "model.safetensors"), "pt") as file:
            keys = list(file.keys())
            prefix = next((p for p in _PREFIXES if any(key.startswith(p) for key in keys)), "")
            own = {key.removeprefix(prefix): key for key in keys if key.startswith(prefix)}
            wanted = {name: file.get_tensor(key) for name, key in own.items() if not name.startswith("layer_norm.")}
        made.encoder.load_state_dict({key: value.float() for key, value in wanted.items()})
        return made

    def forward(self, values: torch.Tensor, lengths: torch.Tensor | None = None, pieces: int = 0) -> torch.Tensor:
        """See ``Encoder``."""
        mask = there(lengths, values)
        stretch = 2 * self.longest
        many = -(-values.shape[1] // stretch)
        if many > 1:
            extra = many * stretch - values.shape[1]
            values = functional.pad(values, (0, 0, 0, extra)).reshape(len(values) * many, stretch, -1)
            mask = functional.pad(mask, (0, extra)).reshape(len(mask) * many, stretch)
            # What is there stands on the left: every stretch but a sound's last one is full, or empty behind it.
            rows, size = mask.any(1).nonzero().squeeze(1), max(1, FRAMES // stretch)
            found = [self._states(values[some], mask[some]) for some in torch.split(rows, size)]
            made = torch.cat([one for one, _ in found])
            states = torch.zeros(len(mask), *made.shape[1:], dtype=made.dtype, device=made.device)
            states = states.index_copy(0, rows, made).reshape(len(mask) // many, -1, self.width)
            kept = mask[:, ::2].reshape(len(mask) // many, -1)
        else:
            states, kept = self._states(values, mask)
        return segments(states, kept, pieces)

    def _states(self, values: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """States of 20 ms [batch, frames / 2, width], and which are there."""
        encoder = self.encoder
        # Frames that are not there are 0 before each convolution, as what lies beyond the ends of a sound alone is.
        x = (values * mask.unsqueeze(-1)).transpose(1, 2)
        x = functional.gelu(encoder.conv1(x)) * mask.unsqueeze(1)
        x = functional.gelu(encoder.conv2(x)).transpose(1, 2)
        kept = mask[:, ::2][:, : x.shape[1]]
        x = x + encoder.embed_positions.weight[: x.shape[1]]
        whole = bool(kept.all())
        bias = None if whole else torch.where(kept > 0, 0.0, torch.finfo(x.dtype).min)[:, None, None, :].to(x.dtype)
        found = torch.zeros_like(x)
        for layer in encoder.layers:
            made = layer(x, bias)
            x = made[0] if isinstance(made, tuple) else made
            found = found + functional.layer_norm(x, x.shape[-1:])
        return found / len(encoder.layers), kept
