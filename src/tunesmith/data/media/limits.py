"""How large a picture or a sound may be, and what is wrong with one that cannot be taken."""

from __future__ import annotations

from dataclasses import dataclass


class MediaProblem(Exception):
    """A picture or a sound cannot be used: which one and why, in words that end without a stop."""


@dataclass(frozen=True)
class Limits:
    """What is refused before it is decoded.

    Args:
        bytes: of a file, or of what is sent inline.
        pixels: of a picture, as its header says.
        side: of a picture, in pixels.
        seconds: of a sound.
        samples: of a sound, in each channel, as its header says; some rates have half a million a second.
        channels: of a sound.
    """

    bytes: int = 64 * 2**20
    pixels: int = 64_000_000
    side: int = 32_768
    seconds: float = 1800.0
    samples: int = 1800 * 48_000
    channels: int = 32


LIMITS = Limits()
"""What is taken unless told otherwise. A telephone's largest pictures have 50 million pixels."""
