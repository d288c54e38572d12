"""How much of the test rows stands in the training rows: what a model can know by heart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tunesmith.data.word_runs import sharing, words

RUN = 13
"""Words in a row that are no chance any more (Brown et al. 2020, appendix C)."""


def contamination(train: Sequence[Mapping[str, Any]], test: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Test rows whose text, or target, stands in the training rows; both as words, so case and signs do not count.

    Returns:
        ``rows`` (of the test), ``texts`` and ``targets`` (test rows whose whole text or target is a training row's),
        ``runs`` (test rows with a text that shares a run of 13 words with a training row's), and ``words``, a sentence.
    """
    sides = {"texts": text_of, "targets": target_of}
    same = {}
    for name, side in sides.items():
        known = {tuple(found) for row in train if (found := words(side(row)))}
        same[name] = sum(tuple(words(side(row))) in known for row in test)
    long = len(sharing([text_of(row) for row in test], (text_of(row) for row in train), RUN))
    said = (
        f"Of {len(test):,} test rows, {same['texts']:,} have a text and {same['targets']:,} a target that stands in "
        f"the training rows, too; {long:,} share a run of {RUN} words (in Chinese: characters) with a training text."
    )
    return {"rows": len(test), **same, "runs": long, "words": said}


def text_of(row: Mapping[str, Any]) -> str:
    """What is read of a row: its text, its controls, or what stands in a conversation before the last answer."""
    if "control" in row:  # the text is what is written of it
        return "\n".join([*map(str, _listed(row["control"])), str(row.get("beginning") or "")]).strip()
    if "messages" in row:
        return "\n".join(str(message.get("content", "")) for message in _before_answer(row["messages"]))
    return str(row.get("text") or "")


def target_of(row: Mapping[str, Any]) -> str:
    """What is to be written."""
    if "control" in row:
        return str(row.get("text") or "")
    if "messages" in row and len(_before_answer(row["messages"])) < len(row["messages"]):
        return str(row["messages"][-1].get("content", ""))
    return str(row.get("target") or row.get("completion") or "")


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _before_answer(messages: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    last = bool(messages) and messages[-1].get("role") == "assistant"
    return messages[:-1] if last else messages
