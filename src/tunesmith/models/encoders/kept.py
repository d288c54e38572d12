"""Vectors of frozen encoders: computed once for each content, kept on disk, found again whatever the file is called."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from tunesmith.data.media.limits import MediaProblem
from tunesmith.data.media.place import content
from tunesmith.models.encoders.encoder import Encoder
from tunesmith.models.encoders.stacked import stacked

Progress = Callable[[int, int], None]
AHEAD = 3
"""Chunks that are read and decoded while one is computed."""
CHUNK = {"image": 32, "audio": 32}
FRAMES = 12_000
"""Frames of sounds, padded, that are computed together."""


@dataclass(frozen=True)
class Shelf:
    """Where arrays are kept, a file each, by a key; written whole or not at all.

    Args:
        folder: made where it is absent.
    """

    folder: Path

    def get(self, key: str) -> np.ndarray | None:
        """The array; None where there is none, or half of one."""
        try:
            return np.load(self._path(key), allow_pickle=False)  # type: ignore[no-any-return]
        except (OSError, ValueError, EOFError):
            return None

    def put(self, key: str, array: np.ndarray) -> None:
        """Keep an array."""
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        with part.open("wb") as file:
            np.save(file, array, allow_pickle=False)
        part.replace(path)

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.npy"


def shelf(folder: Path, name: str) -> Shelf:
    """A shelf for what ``name`` tells: the weights, the parts, the precision."""
    return Shelf(folder / hashlib.blake2b(name.encode(), digest_size=12).hexdigest())


def states_of(
    encoder: Encoder,
    values: Sequence[str],
    shelf: Shelf | None,
    *,
    parts: int = 0,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Iterator[np.ndarray | MediaProblem]:
    """Each value's states, float32 [1 + parts, width], in order; or what is wrong with it.

    Files are read and decoded in threads while others are computed; the same content is computed once.

    Args:
        values: as ``place.settled`` gives them.
        shelf: None: nothing is kept.
    """
    size = CHUNK[encoder.modality]
    chunks = [values[i : i + size] for i in range(0, len(values), size)]
    encoder = encoder.quick().to(device)
    done = 0
    with ThreadPoolExecutor(max_workers=2) as pool:
        waiting: list[list[Future[_Read]]] = []
        for number in range(len(chunks) + AHEAD):
            if number < len(chunks):
                waiting.append([pool.submit(_read, encoder, value, shelf) for value in chunks[number]])
            if number < AHEAD and number < len(chunks) - 1:
                continue
            if not waiting:
                break
            found = [future.result() for future in waiting.pop(0)]
            _compute(encoder, found, shelf, parts, device)
            done += len(found)
            if progress is not None:
                progress(done, len(values))
            yield from (one.states if one.problem is None else one.problem for one in found)  # type: ignore[misc]


@dataclass
class _Read:
    """A value on its way: what was read, what was found, what was computed."""

    key: str = ""
    array: np.ndarray | None = None
    states: np.ndarray | None = None
    problem: MediaProblem | None = None


def _read(encoder: Encoder, value: str, shelf: Shelf | None) -> _Read:
    try:
        data = content(value)
        key = hashlib.blake2b(data, digest_size=20).hexdigest()
        kept = None if shelf is None else shelf.get(key)
        if kept is not None:
            return _Read(key, states=kept)
        return _Read(key, array=encoder.takes.read(value, data))
    except MediaProblem as problem:
        return _Read(problem=problem)


def _compute(encoder: Encoder, found: list[_Read], shelf: Shelf | None, parts: int, device: str) -> None:
    fresh: dict[str, np.ndarray] = {one.key: one.array for one in found if one.array is not None}
    made: dict[str, np.ndarray] = {}
    for keys in _batches(encoder, fresh):
        made.update(zip(keys, computed(encoder, [fresh[key] for key in keys], parts, device), strict=True))
    for key, states in made.items():
        if shelf is not None:
            shelf.put(key, states)
    for one in found:
        if one.array is not None:
            one.states, one.array = made[one.key], None


def _batches(encoder: Encoder, fresh: dict[str, np.ndarray]) -> Iterator[list[str]]:
    """Keys that are computed together: all pictures; sounds of about one length."""
    if encoder.modality == "image":
        if fresh:
            yield list(fresh)
        return
    group: list[str] = []
    for key in sorted(fresh, key=lambda k: -len(fresh[k])):
        if group and (len(group) + 1) * len(fresh[group[0]]) > FRAMES * _rate(encoder):
            yield group
            group = []
        group.append(key)
    if group:
        yield group


def _rate(encoder: Encoder) -> int:
    """Frames of a wave are samples: 160 of them are one of a spectrogram."""
    return 160 if getattr(encoder.takes, "kind", "").endswith("wave") else 1


def computed(encoder: Encoder, arrays: Sequence[np.ndarray], parts: int, device: str = "cpu") -> list[np.ndarray]:
    """States of what was read, float32 [1 + parts, width] each."""
    values, lengths = stacked(arrays)
    with torch.inference_mode():
        sizes = None if lengths is None else torch.from_numpy(lengths).to(device)
        made = encoder(torch.from_numpy(values).to(device), sizes, parts)
    return list(made.float().cpu().numpy())
