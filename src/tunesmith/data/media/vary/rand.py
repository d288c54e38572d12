"""Two changes drawn from a list, of one strength.

Cubuk et al. 2020, "RandAugment: Practical automated data augmentation with a reduced search space".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

MANY, STRENGTH = 2, 0.3
"""How many of the changes, and how strong each is: 0 to 1."""
_GREY = (128, 128, 128)


def rand(pixels: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """uint8 [height, width, 3] -> the same shape."""
    from PIL import Image

    made: Any = Image.fromarray(np.ascontiguousarray(pixels))
    for index in draw.integers(0, len(CHANGES), MANY):
        made = CHANGES[int(index)](made, float(draw.uniform(-STRENGTH, STRENGTH)))
    return np.asarray(made)


def _moved(x: tuple[float, float, float], y: tuple[float, float, float]) -> Callable[[Any, float], Any]:
    """A shear or a shift: each row of the map is ``base + factor * strength``."""

    def change(image: Any, strength: float) -> Any:
        w, h = image.size
        values = (1, x[1] * strength, x[2] * strength * w, y[0] * strength, 1, y[2] * strength * h)
        return image.transform(image.size, 0, values, resample=2, fillcolor=_GREY)

    return change


def _enhanced(name: str) -> Callable[[Any, float], Any]:
    def change(image: Any, strength: float) -> Any:
        from PIL import ImageEnhance

        return getattr(ImageEnhance, name)(image).enhance(1 + 2 * strength)

    return change


def _operated(
    name: str, given: Callable[[float], tuple[Any, ...]] = lambda strength: ()
) -> Callable[[Any, float], Any]:
    def change(image: Any, strength: float) -> Any:
        from PIL import ImageOps

        return getattr(ImageOps, name)(image, *given(abs(strength)))

    return change


def _turned(image: Any, strength: float) -> Any:
    return image.rotate(60 * strength, resample=2, fillcolor=_GREY)


CHANGES: tuple[Callable[[Any, float], Any], ...] = (
    _turned,
    _moved((0, 0.6, 0), (0, 0, 0)),
    _moved((0, 0, 0), (0.6, 0, 0)),
    _moved((0, 0, 0.6), (0, 0, 0)),
    _moved((0, 0, 0), (0, 0, 0.6)),
    _enhanced("Color"),
    _enhanced("Contrast"),
    _enhanced("Brightness"),
    _enhanced("Sharpness"),
    _operated("posterize", lambda strength: (8 - int(4 * strength),)),
    _operated("solarize", lambda strength: (int(256 * (1 - strength)),)),
    _operated("autocontrast"),
    _operated("equalize"),
)
