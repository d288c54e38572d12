"""Changes of a sound: float32 [samples] in and out, by what ``draw`` draws."""

from __future__ import annotations

import numpy as np

Draw = np.random.Generator


def gain(wave: np.ndarray, draw: Draw) -> np.ndarray:
    """Louder or softer by up to 6 dB."""
    made: np.ndarray = wave * np.float32(10 ** (draw.uniform(-6, 6) / 20))
    return made


def noise(wave: np.ndarray, draw: Draw) -> np.ndarray:
    """White noise, 10 to 40 dB below the sound."""
    level = np.sqrt(np.mean(np.square(wave, dtype=np.float64))) * 10 ** (-draw.uniform(10, 40) / 20)
    made: np.ndarray = wave + (draw.standard_normal(len(wave)) * level).astype(np.float32)
    return made


def shift(wave: np.ndarray, draw: Draw) -> np.ndarray:
    """Earlier or later by up to a tenth; silence comes in."""
    most = len(wave) // 10
    by = int(draw.integers(-most, most + 1))
    made = np.zeros_like(wave)
    if by >= 0:
        made[by:] = wave[: len(wave) - by]
    else:
        made[:by] = wave[-by:]
    return made


def speed(wave: np.ndarray, draw: Draw) -> np.ndarray:
    """Faster or slower by up to a tenth, the pitch with it (Ko et al. 2015)."""
    length = max(2, int(len(wave) / draw.uniform(0.9, 1.1)))
    places = np.linspace(0, len(wave) - 1, length)
    made: np.ndarray = np.interp(places, np.arange(len(wave)), wave).astype(np.float32)
    return made
