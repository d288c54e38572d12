"""Changes of a picture: uint8 [height, width, 3] in, the same shape out, by what ``draw`` draws."""

from __future__ import annotations

import numpy as np

Draw = np.random.Generator


def crop(pixels: np.ndarray, draw: Draw) -> np.ndarray:
    """A part of 60% to 100% of the area, its sides up to 4:3, brought to the old size (Szegedy et al. 2015)."""
    from PIL import Image

    height, width = pixels.shape[:2]
    share, shape = draw.uniform(0.6, 1.0), np.exp(draw.uniform(np.log(3 / 4), np.log(4 / 3)))
    w = min(width, max(1, round(width * np.sqrt(share * shape))))
    h = min(height, max(1, round(height * np.sqrt(share / shape))))
    x, y = int(draw.integers(0, width - w + 1)), int(draw.integers(0, height - h + 1))
    part = Image.fromarray(pixels).resize((width, height), 3, box=(x, y, x + w, y + h))
    return np.asarray(part)


def flip(pixels: np.ndarray, draw: Draw) -> np.ndarray:
    """Left and right exchanged, in half of the cases. Not for digits, letters, or left and right hands."""
    return pixels[:, ::-1] if draw.random() < 0.5 else pixels


def colour(pixels: np.ndarray, draw: Draw, strength: float = 0.25) -> np.ndarray:
    """Brightness, contrast and saturation, each by up to a quarter."""
    floats = pixels.astype(np.float32)
    bright, contrast, full = draw.uniform(1 - strength, 1 + strength, 3).astype(np.float32)
    floats = floats * bright
    floats = (floats - floats.mean()) * contrast + floats.mean()
    grey = floats @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    floats = grey[..., None] + (floats - grey[..., None]) * full
    made: np.ndarray = floats.clip(0, 255).astype(np.uint8)
    return made


def erase(pixels: np.ndarray, draw: Draw) -> np.ndarray:
    """A rectangle of up to a quarter of the area becomes grey, in half of the cases (Zhong et al. 2017)."""
    if draw.random() < 0.5:
        return pixels
    height, width = pixels.shape[:2]
    h, w = (max(1, int(side * draw.uniform(0.1, 0.5))) for side in (height, width))
    y, x = int(draw.integers(0, height - h + 1)), int(draw.integers(0, width - w + 1))
    made = pixels.copy()
    made[y : y + h, x : x + w] = 128
    return made
