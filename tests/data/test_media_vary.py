"""Changes of pictures and sounds: the same kind of array, another content, the same for the same draw."""

from __future__ import annotations

import numpy as np
import pytest

from tunesmith.core.errors import RecipeError
from tunesmith.data.media.vary import OF_FRAMES, OF_PICTURES, OF_WAVES
from tunesmith.data.media.vary.vary import AUTO, Vary

PIXELS = np.random.default_rng(0).integers(0, 256, (24, 20, 3), dtype=np.uint8)
WAVE = np.sin(np.arange(4000) / 20).astype(np.float32)


@pytest.mark.parametrize("name", OF_PICTURES)
def test_a_picture_stays_one_and_changes(name: str) -> None:
    made = [Vary.of([name]).picture(PIXELS, np.random.default_rng(seed)) for seed in range(12)]
    assert all(one.shape == PIXELS.shape and one.dtype == np.uint8 for one in made)
    assert any((one != PIXELS).any() for one in made)
    assert (made[3] == Vary.of([name]).picture(PIXELS, np.random.default_rng(3))).all()


@pytest.mark.parametrize("name", OF_WAVES)
def test_a_sound_stays_one_and_changes(name: str) -> None:
    made = Vary.of([name]).wave(WAVE, np.random.default_rng(1))
    assert made.dtype == np.float32 and made.ndim == 1 and 3600 <= len(made) <= 4500
    assert len(made) != len(WAVE) or (made != WAVE).any()
    assert abs(float(np.sqrt(np.mean(made**2))) / float(np.sqrt(np.mean(WAVE**2))) - 1) < 1.2


def test_a_spectrogram_loses_stretches() -> None:
    frames = np.random.default_rng(0).random((100, 40)).astype(np.float32)
    made = Vary.of(["spec"]).frames(frames, np.random.default_rng(2))
    assert made.shape == frames.shape and 0 < (made != frames).mean() < 0.6
    assert list(OF_FRAMES) == ["spec"]


def test_names_are_checked_and_apply_to_what_they_are_for() -> None:
    assert (Vary.of(["noise", "spec"]).picture(PIXELS, np.random.default_rng(0)) == PIXELS).all()
    with pytest.raises(RecipeError, match='Did you mean "flip"'):
        Vary.of(["flipp"])
    assert Vary.of(AUTO).names == AUTO
