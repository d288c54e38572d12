"""Changes of a spectrogram: float32 [frames, channels] in and out."""

from __future__ import annotations

import numpy as np


def spec(frames: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Two stretches of time and two of channels become the mean, each up to a tenth and an eighth of all.

    Park et al. 2019, "SpecAugment: A Simple Data Augmentation Method for Automatic Speech Recognition".
    """
    made = frames.copy()
    mean = frames.mean()
    for _ in range(2):
        for axis, most in ((0, frames.shape[0] // 10), (1, frames.shape[1] // 8)):
            width = int(draw.integers(0, most + 1))
            first = int(draw.integers(0, frames.shape[axis] - width + 1))
            place = [slice(None), slice(None)]
            place[axis] = slice(first, first + width)
            made[tuple(place)] = mean
    return made
