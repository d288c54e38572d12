"""Mel spectrograms by NumPy alone, so that who only serves needs no library of sound."""

from __future__ import annotations

from functools import cache

import numpy as np

WHISPER_RATE = 16_000
_BREAK_HERTZ, _BREAK_MELS, _STEP = 1000.0, 15.0, np.log(6.4) / 27.0
"""Slaney's scale (Auditory Toolbox, 1998): linear below 1 kHz, logarithmic above."""


def whisper_mel(wave: np.ndarray, mels: int = 80) -> np.ndarray:
    """Log-mel frames of 10 ms as Whisper reads them (Radford et al. 2022, section 2.2), float32 [frames, mels].

    Args:
        wave: float32 [samples], 16 kHz.
    """
    power = powers(wave, 400, 160)[:-1] if len(wave) >= 160 else powers(wave, 400, 160)
    energy = power @ filters(WHISPER_RATE, 400, mels)
    logs = np.log10(np.maximum(energy, 1e-10))
    made: np.ndarray = ((np.maximum(logs, logs.max() - 8.0) + 4.0) / 4.0).astype(np.float32)
    return made


def ge2e_mel(wave: np.ndarray, mels: int = 40) -> np.ndarray:
    """Mel energies of 10 ms at -30 dBFS or more, as the GE2E speaker encoder reads them, float32 [frames, mels]."""
    level = 10 * np.log10(max(float(np.mean(np.square(wave, dtype=np.float64))), 1e-12))
    louder = wave * np.float32(10 ** (max(0.0, -30.0 - level) / 20)) if level > -100 else wave
    made: np.ndarray = (powers(louder, 400, 160) @ filters(WHISPER_RATE, 400, mels)).astype(np.float32)
    return made


def powers(wave: np.ndarray, size: int, hop: int) -> np.ndarray:
    """Power spectrum of frames around each ``hop``-th sample, float32 [frames, size // 2 + 1]; mirrored at the ends."""
    half = size // 2
    mirrored = np.pad(wave, half, mode="reflect" if len(wave) > half else "constant")
    frames = np.lib.stride_tricks.sliding_window_view(mirrored, size)[::hop]
    spectrum = np.fft.rfft(frames * hann(size), axis=1)
    found: np.ndarray = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    return found


@cache
def hann(size: int) -> np.ndarray:
    """The periodic Hann window, float32 [size]."""
    made: np.ndarray = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)).astype(np.float32)
    return made


@cache
def filters(rate: int, size: int, mels: int) -> np.ndarray:
    """Triangles of equal area on Slaney's mel scale from 0 to ``rate / 2``, float32 [size // 2 + 1, mels].

    >>> filters(16_000, 400, 80).shape
    (201, 80)
    """
    hertz = np.linspace(0, rate / 2, size // 2 + 1)
    edges = _hertz(np.linspace(0.0, _mels(rate / 2), mels + 2))
    widths = np.diff(edges)
    slopes = edges[None, :] - hertz[:, None]
    rising, falling = -slopes[:, :-2] / widths[:-1], slopes[:, 2:] / widths[1:]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    made: np.ndarray = (triangles * (2.0 / (edges[2:] - edges[:-2]))).astype(np.float32)
    return made


def _mels(hertz: float) -> float:
    linear = hertz * _BREAK_MELS / _BREAK_HERTZ
    return linear if hertz < _BREAK_HERTZ else _BREAK_MELS + float(np.log(hertz / _BREAK_HERTZ)) / _STEP


def _hertz(mels: np.ndarray) -> np.ndarray:
    linear = mels * _BREAK_HERTZ / _BREAK_MELS
    found: np.ndarray = np.where(mels < _BREAK_MELS, linear, _BREAK_HERTZ * np.exp(_STEP * (mels - _BREAK_MELS)))
    return found
