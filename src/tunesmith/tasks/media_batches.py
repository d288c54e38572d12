"""Rows of several modalities as features, and features as batches: arrays alone, no torch.

A feature has ``present`` (float32, [modalities]), ``image`` and ``audio`` (what ``data/media`` reads, where they are
there), ``frames`` (how long its sound is), ``table`` (float32, [columns]), and ids of its text, or one id that stands
for none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

from tunesmith.core.contracts import Batch, Feature, Row
from tunesmith.core.errors import DataError
from tunesmith.data.media.limits import MediaProblem
from tunesmith.data.media.sound import seconds_of
from tunesmith.data.media.vary.vary import Vary
from tunesmith.models.encoders.inputs import MediaInput

MEDIA = ("image", "audio")
MODALITIES = ("text", *MEDIA, "table")
"""In the order of ``present``."""


def values_of(features: Sequence[Feature], modality: str) -> tuple[list[int], list[str]]:
    """Which features have it, and what each of them has."""
    there = [i for i, feature in enumerate(features) if modality in feature]
    return there, [features[i][modality] for i in there]


def media_arrays(features: Sequence[Feature], takes: Mapping[str, MediaInput]) -> Batch:
    """``image_values``, ``audio_values`` and ``audio_lengths`` of the features that have them, decoded in threads.

    A feature with ``vary`` is changed by it, each time otherwise.

    Args:
        takes: modality -> what its encoder wants.

    Raises:
        DataError: a file cannot be used any more, with its row.
    """
    from tunesmith.models.encoders.stacked import stacked

    batch: Batch = {}
    for modality, given in takes.items():
        there, values = values_of(features, modality)
        if not there:
            continue
        # NumPy's global numbers are part of a checkpoint: a resumed run draws on.
        seeds = [int(np.random.randint(2**31)) if "vary" in features[i] else 0 for i in there]  # noqa: NPY002
        changed = [(features[i]["vary"], seed) if seed else None for i, seed in zip(there, seeds, strict=True)]
        with ThreadPoolExecutor(max_workers=2) as pool:
            read = list(pool.map(partial(_read, given), values, changed))
        for i, one in zip(there, read, strict=True):
            if isinstance(one, MediaProblem):
                raise unusable(features[i], one)
        arrays = [one for one in read if not isinstance(one, MediaProblem)]
        batch[f"{modality}_values"], lengths = stacked(arrays)
        if lengths is not None:
            batch[f"{modality}_lengths"] = lengths
    return batch


def frames_of(value: str) -> int:
    """How long a sound is, in frames of 10 ms, as its header says; 0 of one that cannot be read: who reads it tells."""
    try:
        return int(seconds_of(value) * 100)
    except MediaProblem:
        return 0


def unusable(feature: Feature, problem: MediaProblem) -> DataError:
    """The error for a file that could be read when the rows were, and cannot any more."""
    return DataError(f"Row {feature['row'] + 1}: {problem}.", "Mend the file, or leave the row out.")


def table_of(row: Row, numeric: Mapping[str, Sequence[float]], kinds: Mapping[str, Sequence[str]]) -> np.ndarray:
    """A row's numbers and categories as one vector, float32.

    Of each number two entries: standardised, and 1 where it is missing. Of each category one entry a known value, and
    one for all others; all 0 where it is missing.

    Args:
        numeric: column -> mean and deviation of the training rows.
        kinds: column -> values of the training rows.
    """
    made: list[float] = []
    for name, (mean, deviation) in numeric.items():
        value = (row.get("numeric") or {}).get(name)
        made += [0.0, 1.0] if value is None else [float(np.clip((value - mean) / deviation, -10, 10)), 0.0]
    for name, known in kinds.items():
        value = (row.get("categorical") or {}).get(name)
        made += [float(value == one) for one in known]
        made.append(float(value is not None and value not in known))
    return np.array(made, dtype=np.float32)


def columns_of_table(rows: Sequence[Row], most: int = 100) -> tuple[dict[str, list[float]], dict[str, list[str]]]:
    """What training rows teach of numbers (mean, deviation) and of categories (values, the commonest first)."""
    from collections import Counter

    numbers: dict[str, list[float]] = {}
    kinds: dict[str, Counter[str]] = {}
    for row in rows:
        for name, value in (row.get("numeric") or {}).items():
            numbers.setdefault(name, []).append(float(value))
        for name, value in (row.get("categorical") or {}).items():
            kinds.setdefault(name, Counter())[str(value)] += 1
    scaled = {name: [float(np.mean(v)), float(np.std(v)) or 1.0] for name, v in sorted(numbers.items())}
    return scaled, {name: [value for value, _ in found.most_common(most)] for name, found in sorted(kinds.items())}


def _read(given: MediaInput, value: str, changed: tuple[Vary, int] | None) -> np.ndarray | MediaProblem:
    try:
        return given.read(value, changed=None if changed is None else (changed[0], np.random.default_rng(changed[1])))
    except MediaProblem as problem:
        return problem
