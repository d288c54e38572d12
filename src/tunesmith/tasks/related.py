"""Relations between spans that were found: read from pairs, and counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.contracts import Evidence, Prediction
from tunesmith.tasks.pairs import Tokens
from tunesmith.tasks.relations import relation_types
from tunesmith.tasks.tag_layer import TagLayer, log_softmax
from tunesmith.tasks.token_windows import Pieces

NONE = "(none)"
"""What a pair without a relation is called."""

Found = dict[tuple[Tokens, Tokens], list[NDArray[Any]]]
"""(head, tail), each start and end in the text -> the relations' logits, one array a window."""
Side = tuple[Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]]]
"""A row's spans, and its relations, which have numbers of spans."""


def word_spans(logits: NDArray[Any], words: NDArray[Any], layer: TagLayer) -> list[Tokens]:
    """The spans of a window's tokens, by the best legal tags of its words.

    Args:
        logits: [tokens, tags].
        words: [tokens], the number of each token's word; negative where a token is of none.
    """
    inside = np.flatnonzero(words >= 0)
    if not len(inside):
        return []
    lead, own = int(inside[0]), words[inside]
    first = np.flatnonzero(np.diff(own, prepend=-1)).astype(np.int32)
    nothing = np.zeros((len(own), 2), dtype=np.int32)
    pieces = Pieces("", own.astype(np.int32), nothing, own.astype(np.int32), nothing[: len(first)], first)
    path = layer.best(layer.of_words(log_softmax(logits[inside]), pieces))
    ends = np.append(first, len(own)) + lead
    return [(int(ends[span.start]), int(ends[span.end])) for span in layer.spans(path)]


def with_relations(spans: Prediction, pairs: Found, relations: Sequence[str]) -> Prediction:
    """The prediction of spans with the relations between them; what is known of other places is left out."""
    places = {(span["start"], span["end"]): i for i, span in enumerate(spans["spans"])}
    found = []
    for (head, tail), windows in pairs.items():
        if head not in places or tail not in places:
            continue
        probabilities = np.exp(log_softmax(np.mean(windows, axis=0)))
        best = int(probabilities.argmax())
        if relations[best] != NONE:
            ends = {"head": places[head], "tail": places[tail]}
            found.append({**ends, "label": relations[best], "score": float(probabilities[best])})
    found.sort(key=lambda relation: (relation["head"], relation["tail"]))
    return {"spans": spans["spans"], "relations": found, "score": spans["score"]}


def relation_evidence(
    spans: Evidence, true: Sequence[Side], given: Sequence[Side], relations: Sequence[str]
) -> Evidence:
    """Evidence of spans with ``relation_counts`` float32 [n, 3 m]: hits, support, predictions of each relation.

    A relation is right where both of its spans are, with their labels. True relations that are not known make one
    more kind, which comes last.

    Args:
        spans: evidence of the spans; its ``hit`` is then of rows whose relations are right, too.
        relations: known ones, none among them.
    """
    types = relation_types(relations, NONE)
    index = dict(zip(relations, types, strict=True))
    pairs = [tuple(_keys(*side) for side in sides) for sides in zip(true, given, strict=True)]
    known = max(types, default=-1) + 1
    unseen = any(label not in index for wanted, _ in pairs for *_, label in wanted)
    counts = np.zeros((len(pairs), 3, known + unseen), dtype=np.float32)
    for row, (wanted, found) in enumerate(pairs):
        for which, some in enumerate((wanted & found, wanted, found)):
            for *_, label in some:
                counts[row, which, index.get(label, known)] += 1
    same = np.array([wanted == found for wanted, found in pairs], dtype=bool)
    return {**spans, "hit": spans["hit"] & same, "relation_counts": counts.reshape(len(pairs), -1)}


def _keys(spans: Sequence[Mapping[str, Any]], relations: Sequence[Mapping[str, Any]]) -> set[tuple[Any, ...]]:
    places = [(span["start"], span["end"], str(span["label"])) for span in spans]
    return {(places[r["head"]], places[r["tail"]], r["label"]) for r in relations}
