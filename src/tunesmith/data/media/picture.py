"""Pictures by Pillow: bounded before they are decoded, decoded whole or refused."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.core.extras import need
from tunesmith.data.media.limits import LIMITS, Limits, MediaProblem
from tunesmith.data.media.place import content, shown, suffix_of

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = {
    "PNG": (".png", ".apng"),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "WEBP": (".webp",),
    "GIF": (".gif",),
    "BMP": (".bmp", ".dib"),
    "TIFF": (".tif", ".tiff"),
}
"""Pillow's name -> suffixes. Others are not tried: some start programs, and many are rarely looked after."""
SUFFIXES = tuple(suffix for suffixes in FORMATS.values() for suffix in suffixes)
_SAME = {"MPO": "JPEG"}
"""Of what Pillow tells apart: cameras and phones put a second, smaller picture behind a JPEG (CIPA DC-007)."""
_BROKEN = (
    OSError, SyntaxError, ValueError, TypeError, struct.error, zlib.error, EOFError, IndexError, KeyError,
    OverflowError, MemoryError, AttributeError,
)  # fmt: skip
"""What Pillow's decoders raise on damaged files."""
_WHITE = (255, 255, 255, 255)


def picture(value: str, size: int | None = None, *, data: bytes | None = None, limits: Limits = LIMITS) -> np.ndarray:
    """The picture's pixels, uint8 [height, width, 3], turned as its camera says, what is see-through on white.

    Of an animation, the first frame.

    Args:
        value: as ``place.settled`` gives it.
        size: the whole picture is brought to this width and height (bicubic); None: as it is.
        data: its bytes, where they were read already.

    Raises:
        MediaProblem: it is no picture, of another kind than its name says, damaged, or too large.
    """
    opened = _opened(value, content(value, limits) if data is None else data, limits)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd metadata
            if size is not None:
                opened.draft("RGB", (size, size))  # a JPEG is decoded at a half, a quarter ... of its size
            opened.load()
            plain = _plain(opened)
            if size is not None and plain.size != (size, size):
                plain = plain.resize((size, size), 3, reducing_gap=2.0)  # 3: bicubic
            return np.asarray(plain, dtype=np.uint8)
    except _BROKEN as error:
        raise MediaProblem(f'the picture "{shown(value)}" is damaged or cut off ({_short(error)})') from None


def size_of(value: str, limits: Limits = LIMITS) -> tuple[int, int]:
    """Width and height, as its header says; raises MediaProblem as ``picture`` does."""
    width, height = _opened(value, content(value, limits), limits).size
    return width, height


def check_picture(value: str, limits: Limits = LIMITS) -> None:
    """Decode it, small where its kind allows that; raises MediaProblem as ``picture`` does."""
    picture(value, 64, limits=limits)


def _opened(value: str, data: bytes, limits: Limits) -> Image:
    pillow: Any = need("PIL.Image", extra="media", purpose="pictures")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # our own limit is lower than the one Pillow warns of
            opened: Image = pillow.open(io.BytesIO(data), formats=list(FORMATS))
    except pillow.UnidentifiedImageError:
        known = ", ".join(FORMATS)
        raise MediaProblem(f'"{shown(value)}" is no picture that can be read ({known})') from None
    except pillow.DecompressionBombError:
        raise MediaProblem(f'the picture "{shown(value)}" has more than {limits.pixels / 1e6:.0f} megapixels') from None
    except _BROKEN as error:
        raise MediaProblem(f'the picture "{shown(value)}" is damaged ({_short(error)})') from None
    width, height = opened.size
    if width * height > limits.pixels or max(width, height) > limits.side:
        raise MediaProblem(
            f'the picture "{shown(value)}" has {width} x {height} pixels; {limits.pixels / 1e6:.0f} '
            "megapixels are taken"
        )
    if not width or not height:
        raise MediaProblem(f'the picture "{shown(value)}" has no pixels')
    suffix, kind = suffix_of(value), _SAME.get(str(opened.format), str(opened.format))
    if suffix in SUFFIXES and suffix not in FORMATS.get(kind, ()):
        raise MediaProblem(f'the picture "{shown(value)}" is {kind} by its content, not {suffix}')
    return opened


def _plain(opened: Image) -> Image:
    """RGB of 8 bits, upright."""
    from PIL import Image, ImageOps

    upright = ImageOps.exif_transpose(opened)
    if upright.mode.startswith(("I", "F")):  # 16 and 32 bits of grey
        grey = np.asarray(upright, dtype=np.float64)
        if not np.isfinite(grey).all():
            raise ValueError("it holds pixels that are no numbers")
        brightest = grey.max(initial=0)
        top = 65535.0 if upright.mode.startswith("I;16") or brightest > 255 else 255.0
        if upright.mode == "F" and brightest <= 1:  # floating point from 0 to 1
            top = 1.0
        return Image.fromarray((grey.clip(0, top) * (255.0 / top)).astype(np.uint8)).convert("RGB")
    if upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
        layered = upright.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layered.size, _WHITE), layered).convert("RGB")
    return upright.convert("RGB")


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:80] or type(error).__name__
