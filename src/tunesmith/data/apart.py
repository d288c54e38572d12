"""Parts of a mixture kept apart: what one is proven on, no other one learns from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from tunesmith.core.contracts import Row
from tunesmith.core.errors import DataError
from tunesmith.data.duplicates import near_groups
from tunesmith.data.links import same_groups, without_common

if TYPE_CHECKING:
    from tunesmith.data.prepare import Prepared

HELD = {"train": ("validation", "test"), "validation": ("test",)}
"""Rows of these leave where another part has their text among its rows of those."""


def kept_apart(parts: Mapping[str, Prepared], *, near: bool = True) -> dict[str, Prepared]:
    """The parts without training rows whose text is among another part's validation or test rows, and without
    validation rows that are among another one's test rows; each tells how many.

    Args:
        near: near duplicates, too; otherwise only texts that are the same but for case, width and punctuation.

    Raises:
        DataError: nothing is left of a part's rows to train or to validate.
    """
    places = [(name, split) for name in parts for split in ("train", "validation", "test")]
    rows = {place: getattr(parts[place[0]], place[1]) for place in places}
    texts = [text_read(row) for place in places for row in rows[place]]
    column = pa.chunked_array([pa.array(texts, pa.large_string())])
    # What so many read, a handbook of all questions or an instruction, keeps nothing apart.
    groups, _ = without_common(near_groups(column) if near else same_groups(column))
    ends = np.cumsum([len(rows[place]) for place in places])
    group = dict(zip(places, np.split(groups, ends[:-1]), strict=True))
    return {name: _without(name, part, group) for name, part in parts.items()}


def text_read(row: Row) -> str:
    """What a row is about: the text that it asks of, its text or pair of texts, its words, or its question."""
    words = row.get("words")
    pair = "\n".join(str(row[role]) for role in ("text", "text_pair") if row.get(role))
    found = row.get("context") or pair or (" ".join(map(str, words)) if words else row.get("question"))
    return str(found or "")


def _without(name: str, part: Prepared, group: Mapping[tuple[str, str], np.ndarray]) -> Prepared:
    for split, held in HELD.items():
        taken = [found for (other, kind), found in group.items() if other != name and kind in held]
        shared = np.isin(group[name, split], np.concatenate(taken))
        if not shared.any():
            continue
        if shared.all():
            raise DataError(
                f"data.parts.{name}: all {len(shared)} {split} rows are held out by other parts of the mixture.",
                "Give every part the same test and validation files, or rows of its own.",
            )
        rows: Sequence[Row] = getattr(part, split)
        kept = [row for row, gone in zip(rows, shared.tolist(), strict=True) if not gone]
        note = (
            f"{int(shared.sum())} of {len(shared)} {split} rows have a text (or nearly) that another part holds out "
            f"for {' or '.join(held)}; they were left out."
        )
        told: dict[str, Any] = {split: kept, "notes": [*part.notes, note]}
        prints = {**part.fingerprints, split: _print(part.fingerprints[split]["sha256"], shared)}
        part = replace(part, fingerprints=prints, **told)
    return part


def _print(before: str, gone: np.ndarray) -> dict[str, Any]:
    digest = hashlib.sha256(before.encode() + np.packbits(gone).tobytes())
    return {"sha256": digest.hexdigest(), "rows": int((~gone).sum())}
