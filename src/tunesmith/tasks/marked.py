"""Entities marked inside the encoded text, by tokens that the vocabulary has: the bundle stays a plain folder.

A marker is one token before an entity and one after it (Baldini Soares et al. 2019, "Matching the Blanks"). Where
the entity's kind is known, its name stands behind the opening marker (Zhou & Chen 2022, typed markers). The text is
cut at the markers and each part is tokenised by itself, so that no token reaches across an entity's border.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SIGNS = "@#^*~|$%&+=_<>{}[]/\\"
"""Signs that serve as markers where the vocabulary has no token to spare."""
KIND_TOKENS = 8
"""Tokens that the name of an entity's kind may take."""


@dataclass
class Marked:
    """A text as token ids, special tokens left out, and where each entity's opening marker stands in them."""

    ids: np.ndarray
    opened: list[int]


def marker_ids(processor: PreTrainedTokenizerBase, count: int) -> list[int]:
    """Ids of tokens to mark with: never used ones, else rare signs, else the last ones of the vocabulary.

    They follow from the vocabulary alone, so that a bundle needs to keep nothing.
    """
    vocabulary = processor.get_vocab()
    spare = [f"[unused{i}]" for i in range(1, count + 1)]
    signs = [start + sign for sign in SIGNS for start in ("", "▁", "Ġ")]
    found = list(dict.fromkeys(vocabulary[token] for token in spare + signs if token in vocabulary))
    special = set(processor.all_special_ids)
    last = (i for i in sorted(vocabulary.values(), reverse=True) if i not in special and i not in found)
    while len(found) < count:
        found.append(next(last))
    return found[:count]


def marked(
    texts: Sequence[str],
    entities: Sequence[Sequence[Mapping[str, Any]]],
    processor: PreTrainedTokenizerBase,
    *,
    kinds: bool = False,
) -> list[Marked]:
    """Each text with its entities marked; entities may stand inside each other.

    Args:
        entities: for each text the same number of ``{"start", "end", "label"?}``.
        kinds: write an entity's label behind its opening marker.
    """
    count = max((len(given) for given in entities), default=0)
    markers = marker_ids(processor, 2 * count)
    parts = [_parts(text, given, kinds) for text, given in zip(texts, entities, strict=True)]
    tokens = _tokens([part for row in parts for part in row if isinstance(part, str)], processor)
    return [_joined(row, markers, tokens) for row in parts]


def _parts(text: str, entities: Sequence[Mapping[str, Any]], kinds: bool) -> list[str | int]:
    """Pieces of text, and markers between them: 2 i opens the entity i, 2 i + 1 closes it."""
    borders: list[tuple[int, int, int, int]] = []
    for i, entity in enumerate(entities):
        # At one place, what ends closes first; the inner one closes before the outer one and opens after it.
        borders += [(entity["start"], 1, -entity["end"], 2 * i), (entity["end"], 0, -entity["start"], 2 * i + 1)]
    borders.sort()
    cuts = [0, *(border[0] for border in borders), len(text)]
    parts: list[str | int] = [text[: cuts[1]].strip()]
    for (start, end), border in zip(pairwise(cuts[1:]), borders, strict=True):
        marker = border[3]
        parts.append(marker)
        kind = entities[marker // 2].get("label") if kinds and marker % 2 == 0 else None
        if kind:
            parts.append(f"{kind}:")
        parts.append(text[start:end].strip())
    return parts


def _tokens(parts: list[str], processor: PreTrainedTokenizerBase) -> dict[str, list[int]]:
    distinct = list(dict.fromkeys(part for part in parts if part))
    if not distinct:
        return {}
    ids = processor(distinct, add_special_tokens=False, return_attention_mask=False, verbose=False)["input_ids"]
    return dict(zip(distinct, ids, strict=True))


def _joined(parts: list[str | int], markers: list[int], tokens: Mapping[str, list[int]]) -> Marked:
    ids: list[int] = []
    opened: dict[int, int] = {}
    for part in parts:
        if isinstance(part, int):
            if part % 2 == 0:
                opened[part // 2] = len(ids)
            ids.append(markers[part])
        else:
            ids += tokens.get(part, [])
    return Marked(np.asarray(ids, dtype=np.int32), [opened[i] for i in range(len(opened))])


def near(text: Marked, markers: Sequence[int], room: int) -> Marked:
    """The ``room`` tokens nearest to a marker, in their order: what is far from all entities is left out."""
    if len(text.ids) <= room:
        return text
    at = np.flatnonzero(np.isin(text.ids, markers))
    after = np.searchsorted(at, np.arange(len(text.ids)))
    here = np.arange(len(text.ids))
    distance = np.minimum(
        np.abs(here - at[np.minimum(after, len(at) - 1)]), np.abs(here - at[np.maximum(after - 1, 0)])
    )
    distance[text.opened] = -1  # never left out
    kept = np.sort(np.argsort(distance, kind="stable")[:room])
    return Marked(text.ids[kept], [int(np.searchsorted(kept, place)) for place in text.opened])


def frame(processor: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
    """The special tokens that stand before and after a text."""
    found = processor("a", return_special_tokens_mask=True)
    mask = list(found["special_tokens_mask"])
    first = mask.index(0)
    last = len(mask) - mask[::-1].index(0)
    return list(found["input_ids"][:first]), list(found["input_ids"][last:])
