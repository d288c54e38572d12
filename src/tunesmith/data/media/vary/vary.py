"""Several changes, one after the other, by their names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tunesmith.core.errors import RecipeError, did_you_mean
from tunesmith.core.registry import Registry
from tunesmith.data.media.vary import OF_FRAMES, OF_PICTURES, OF_WAVES

AUTO = ("crop", "flip", "colour", "shift", "noise", "spec")


@dataclass(frozen=True)
class Vary:
    """Changes of pictures and sounds.

    Args:
        names: of the three tables, in the order in which they are done.
    """

    names: tuple[str, ...]

    @classmethod
    def of(cls, names: Iterable[str]) -> Vary:
        """Checked; raises RecipeError for a name that is in no table."""
        known = [*OF_PICTURES, *OF_WAVES, *OF_FRAMES]
        for name in names:
            if name not in known:
                raise RecipeError(f'task.augment names "{name}", which is none.', did_you_mean(name, known))
        return cls(tuple(names))

    def picture(self, pixels: np.ndarray, draw: np.random.Generator) -> np.ndarray:
        """uint8 [height, width, 3]."""
        return self._all(OF_PICTURES, pixels, draw)

    def wave(self, wave: np.ndarray, draw: np.random.Generator) -> np.ndarray:
        """float32 [samples]."""
        return self._all(OF_WAVES, wave, draw)

    def frames(self, frames: np.ndarray, draw: np.random.Generator) -> np.ndarray:
        """float32 [frames, channels]."""
        return self._all(OF_FRAMES, frames, draw)

    def _all(self, table: Registry, array: np.ndarray, draw: np.random.Generator) -> np.ndarray:
        for name in self.names:
            if name in table:
                array = table.load(name)(array, draw)
        return np.ascontiguousarray(array)
