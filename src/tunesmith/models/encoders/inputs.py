"""What an encoder wants to be given: how a picture or a sound becomes an array. No torch; kept in bundles as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from tunesmith.data.media.picture import picture
from tunesmith.data.media.sound import sound
from tunesmith.data.media.vary.vary import Vary
from tunesmith.models.encoders.spectrogram import ge2e_mel, whisper_mel

Changed = tuple[Vary, np.random.Generator]
"""How what is read is changed, and what draws."""


@dataclass(frozen=True)
class ImageInput:
    """A square picture; its values are scaled inside the encoder.

    Args:
        size: pixels a side.
        mean, std: of each channel, of values from 0 to 1.
    """

    size: int = 224
    mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    std: tuple[float, ...] = (0.5, 0.5, 0.5)

    def read(self, value: str, data: bytes | None = None, changed: Changed | None = None) -> np.ndarray:
        """uint8 [size, size, 3]; raises MediaProblem."""
        pixels = picture(value, self.size, data=data)
        return pixels if changed is None else changed[0].picture(pixels, changed[1])


@dataclass(frozen=True)
class AudioInput:
    """A sound as frames.

    Args:
        kind: "whisper" and "ge2e" are mel spectrograms; "wave" are samples, "normal-wave" of mean 0 and variance 1.
        rate: samples a second.
        mels: channels of a spectrogram.
    """

    kind: Literal["whisper", "ge2e", "wave", "normal-wave"] = "whisper"
    rate: int = 16_000
    mels: int = 80

    def read(self, value: str, data: bytes | None = None, changed: Changed | None = None) -> np.ndarray:
        """float32 [frames, channels]; raises MediaProblem."""
        wave = sound(value, self.rate, data=data)
        if changed is None:
            return self.frames(wave)
        vary, draw = changed
        frames = self.frames(vary.wave(wave, draw))
        return frames if self.kind.endswith("wave") else vary.frames(frames, draw)

    def frames(self, wave: np.ndarray) -> np.ndarray:
        """What the encoder reads of a wave, float32 [frames, channels]."""
        if self.kind == "whisper":
            return whisper_mel(wave, self.mels)
        if self.kind == "ge2e":
            return ge2e_mel(wave, self.mels)
        plain = wave if self.kind == "wave" else (wave - wave.mean()) / np.sqrt(wave.var() + 1e-7)
        return plain.astype(np.float32)[:, None]


MediaInput = ImageInput | AudioInput


def input_of(modality: str, values: Mapping[str, Any]) -> MediaInput:
    """Take back what ``asdict`` gave."""
    if modality == "audio":
        return AudioInput(**values)
    plain: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
    return ImageInput(**plain)


def to_json(given: MediaInput) -> dict[str, Any]:
    """Its fields as JSON values."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(given).items()}
