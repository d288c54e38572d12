"""The data of several tasks, prepared each by itself and put together for one run."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any

from tunesmith.core.contracts import Row
from tunesmith.core.errors import DataError, RecipeError, TunesmithError
from tunesmith.core.recipe import DataBlock
from tunesmith.data.apart import kept_apart
from tunesmith.data.prepare import Prepared, prepare

TASK = "mixture"
SPLITS = ("train", "validation", "test")


def prepare_parts(block: DataBlock) -> Prepared:
    """Every part's rows, each with its part's name under ``part``; ``parts`` holds them one by one. What one part holds
    out, no other one learns.

    Raises:
        RecipeError: a file stands beside the parts, or there is only one part.
        DataError: what is wrong with a part's data, with the part's name.
    """
    if block.path:
        raise RecipeError(f"data.path is {block.path}, and data.parts has files of its own.", "Give one or the other.")
    if len(block.parts) < 2:
        raise RecipeError("data.parts has one part only.", "Give two or more, or put its keys directly under data.")
    near = any(part.split.near_duplicates for part in block.parts.values())
    parts = kept_apart({name: _prepared(name, part) for name, part in block.parts.items()}, near=near)
    rows: dict[str, list[Row]] = {
        split: [{"part": name, **row} for name, part in parts.items() for row in getattr(part, split)]
        for split in SPLITS
    }
    return Prepared(
        TASK,
        {},
        **rows,
        language=_language(parts),
        why=[f"{name}: {why}" for name, part in parts.items() for why in part.why],
        notes=[f"{name}: {note}" for name, part in parts.items() for note in part.notes],
        fingerprints={split: _fingerprint(split, parts) for split in SPLITS},
        source=next(iter(parts.values())).source,
        parts=parts,
        tables={},
    )


def _prepared(name: str, part: Any) -> Prepared:
    try:
        return prepare(part, part.task.name)
    except TunesmithError as error:
        raise DataError(f"data.parts.{name}: {error.problem}", error.hint) from error


def _language(parts: dict[str, Prepared]) -> str:
    """The one that most rows are in; any two together call for a multilingual model."""
    counts: Counter[str] = Counter()
    for part in parts.values():
        counts[part.language] += len(part.train)
    unspaced = [language for language in counts if language != "en"]
    return unspaced[0] if unspaced else counts.most_common(1)[0][0]


def _fingerprint(split: str, parts: dict[str, Prepared]) -> dict[str, Any]:
    own = [(name, part.fingerprints[split]) for name, part in parts.items()]
    digest = hashlib.sha256("".join(f"{name} {found['sha256']}\n" for name, found in own).encode())
    return {"sha256": digest.hexdigest(), "rows": sum(found["rows"] for _, found in own)}
