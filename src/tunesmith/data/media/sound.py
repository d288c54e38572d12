"""Sounds by libsndfile: bounded by their header, read in blocks, mixed to one channel, brought to one rate by soxr."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np

from tunesmith.core.extras import need
from tunesmith.data.media.limits import LIMITS, Limits, MediaProblem
from tunesmith.data.media.place import INLINE, content, inline_bytes, shown, suffix_of

FORMATS = {
    "WAV": (".wav", ".wave"),
    "FLAC": (".flac",),
    "OGG": (".ogg", ".oga", ".opus"),
    "MP3": (".mp3", ".mpeg"),
    "AIFF": (".aif", ".aiff"),
    "AU": (".au", ".snd"),
}
"""libsndfile's name -> suffixes."""
SUFFIXES = tuple(suffix for suffixes in FORMATS.values() for suffix in suffixes)
_SAME = {"WAVEX": "WAV", "RF64": "WAV", "W64": "WAV", "MPEG": "MP3"}
BLOCK = 65_536
LEAST_RATE = 1000


def sound(value: str, rate: int | None = 16_000, *, data: bytes | None = None, limits: Limits = LIMITS) -> np.ndarray:
    """The sound's samples in [-1, 1], float32 [samples], of one channel: the mean of all.

    Args:
        value: as ``place.settled`` gives it.
        rate: samples a second of what is returned; None: as they are.
        data: its bytes, where they were read already.

    Raises:
        MediaProblem: it is no sound, of another kind than its name says, damaged, empty, or too long.
    """
    raw = content(value, limits) if data is None else data
    samples, found = _samples(value, raw, limits)
    if rate is None or found == rate:
        return samples
    soxr: Any = need("soxr", extra="media", purpose="sounds of another rate")
    made: np.ndarray = soxr.resample(samples, found, rate)
    return made.astype(np.float32, copy=False)


def check_sound(value: str, limits: Limits = LIMITS) -> None:
    """Read it whole; raises MediaProblem as ``sound`` does."""
    sound(value, None, limits=limits)


def seconds_of(value: str, limits: Limits = LIMITS) -> float:
    """How long a sound is, as its header says; raises MediaProblem as ``sound`` does."""
    library: Any = need("soundfile", extra="media", purpose="sounds")
    try:
        with library.SoundFile(io.BytesIO(inline_bytes(value, limits)) if value.startswith(INLINE) else value) as file:
            _check(value, file, limits)
            return float(file.frames / file.samplerate)
    except _broken(library) as error:
        raise _unreadable(value, error) from None


def _samples(value: str, raw: bytes, limits: Limits) -> tuple[np.ndarray, int]:
    library: Any = need("soundfile", extra="media", purpose="sounds")
    if missing := _missing_of_wav(raw):
        raise MediaProblem(f'the sound "{shown(value)}" is cut off: {missing} bytes are missing')
    try:
        with library.SoundFile(io.BytesIO(raw)) as file:
            _check(value, file, limits)
            mixed = np.empty(file.frames, dtype=np.float32)
            done = 0
            for block in file.blocks(BLOCK, dtype="float32", always_2d=True):
                mixed[done : done + len(block)] = block.mean(axis=1)
                done += len(block)
            found, expected = int(file.samplerate), int(file.frames)
    except _broken(library) as error:
        raise _unreadable(value, error) from None
    if done < expected:
        raise MediaProblem(
            f'the sound "{shown(value)}" is cut off after {done / found:.2f} of {expected / found:.2f} s'
        )
    if not np.isfinite(mixed).all():
        raise MediaProblem(f'the sound "{shown(value)}" holds samples that are no numbers')
    return mixed, found


def _broken(library: Any) -> tuple[type[BaseException], ...]:
    """What libsndfile's binding raises on damaged files."""
    return (library.LibsndfileError, RuntimeError, ValueError, TypeError, MemoryError)


def _unreadable(value: str, error: BaseException) -> MediaProblem:
    why, known = " ".join(str(error).split())[-80:], ", ".join(FORMATS)
    return MediaProblem(f'"{shown(value)}" is no sound that can be read: {known} ({why})')


def _check(value: str, file: Any, limits: Limits) -> None:
    kind = _SAME.get(file.format, file.format)
    suffix = suffix_of(value)
    if kind not in FORMATS:
        raise MediaProblem(f'the sound "{shown(value)}" is {kind}, which is not read ({", ".join(FORMATS)})')
    if suffix in SUFFIXES and suffix not in FORMATS[kind]:
        raise MediaProblem(f'the sound "{shown(value)}" is {kind} by its content, not {suffix}')
    if file.frames <= 0:
        raise MediaProblem(f'the sound "{shown(value)}" has no samples')
    if file.samplerate < LEAST_RATE:
        raise MediaProblem(f'the sound "{shown(value)}" has {file.samplerate} samples a second')
    seconds = file.frames / file.samplerate
    if seconds > limits.seconds:
        raise MediaProblem(f'the sound "{shown(value)}" lasts {seconds:,.0f} s; {limits.seconds:,.0f} are taken')
    if file.frames > limits.samples:
        raise MediaProblem(
            f'the sound "{shown(value)}" has {file.frames:,} samples, {file.samplerate:,} a second; '
            f"{limits.samples:,} are taken"
        )
    if file.channels > limits.channels:
        raise MediaProblem(f'the sound "{shown(value)}" has {file.channels} channels; {limits.channels} are taken')


def _missing_of_wav(raw: bytes) -> int:
    """Bytes that a WAV's data chunk promises and the file does not hold: libsndfile reads such files as shorter."""
    if raw[:4] != b"RIFF" or raw[8:12] != b"WAVE":
        return 0
    place = 12
    while place + 8 <= len(raw):
        size = int(struct.unpack_from("<I", raw, place + 4)[0])
        if raw[place : place + 4] == b"data":
            # Who writes to a pipe cannot know the length, and leaves the largest number.
            return 0 if size >= 0xFFFFFF00 else max(0, place + 8 + size - len(raw))
        place += 8 + size + size % 2
    return 0
