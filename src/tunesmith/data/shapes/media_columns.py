"""Which columns of a file name pictures and sounds, what stands beside them, and which task that makes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunesmith.data.media.picture import SUFFIXES as PICTURES
from tunesmith.data.media.place import ADDRESS
from tunesmith.data.media.sound import SUFFIXES as SOUNDS
from tunesmith.data.traits import Traits
from tunesmith.data.words import LABEL, NUMBERS, TEXT, normal, rank

PAIRS = "image-text-alignment"
TASKS = (
    "image-classification", "audio-classification", "multimodal-classification", "multimodal-regression", PAIRS,
)  # fmt: skip
INPUTS = ("text", "image", "audio", "numeric", "categorical")
ONLY = {"image-classification": ("image",), "audio-classification": ("audio",), PAIRS: ("text", "image")}
"""Tasks that do not read all, and what they read."""
HOLDS = 0.8
"""Share of a column's values that end like a picture's or a sound's name."""
_DIVISION = ("split", "fold", "subset", "set", "partition")

Columns = dict[str, Any]


def seen(
    found: Mapping[str, Traits], samples: Mapping[str, list[Any]], given: Columns, task: str, why: list[str]
) -> tuple[str, Columns]:
    """The task, and role -> column. ("", {}) where there is no picture, no sound, and none is asked for.

    Once any input is given, none is guessed beside it: what a model reads is then the user's choice. Numbers and
    categories are only named, for one of them may well be the answer in other words.

    Args:
        found: columns that are not given.
        given: role -> column, as the user says.
        task: "auto", or one of ``TASKS``.
        why: takes the reasons.
    """
    columns: Columns = dict(given)
    wanted = ONLY.get(task, INPUTS)
    media = {} if set(given) & set(INPUTS) else media_columns(found, samples, wanted, why)
    if task == "auto" and not (media or set(given) & {"image", "audio", "numeric", "categorical"}):
        return "", {}
    columns |= media
    left = {name: traits for name, traits in found.items() if name not in media.values()}
    if task != PAIRS and "label" not in columns and (label := _label(left, task, why)):
        columns["label"] = label
    left.pop(str(columns.get("label")), None)
    if media and "text" in wanted and (text := _text(left, why)):
        columns["text"] = text
        left.pop(text)
    if task == "auto":
        task = _task(columns, found, why)
    if media and task not in ONLY:
        _tell_of_others(left, why)
    return task, columns


def media_columns(
    found: Mapping[str, Traits], samples: Mapping[str, list[Any]], wanted: tuple[str, ...], why: list[str]
) -> Columns:
    """Roles of files -> the columns that hold names of such files.

    Args:
        wanted: roles that are looked for.
        why: takes the reasons.
    """
    media: Columns = {}
    for role, suffixes in (("image", PICTURES), ("audio", SOUNDS)):
        able = [name for name in found if _holds(samples.get(name, []), suffixes)] if role in wanted else []
        if able:
            media[role] = able[0]
            why.append(f'{role}: "{able[0]}", its values are names of such files')
    return media


def addresses(samples: Mapping[str, list[Any]]) -> list[str]:
    """A sentence for each column whose values are addresses of pictures or sounds: they are no files, and not got."""
    found = []
    for name, values in samples.items():
        paths = [ADDRESS.sub("", str(value)).partition("?")[0] for value in values if ADDRESS.match(str(value))]
        if len(paths) >= HOLDS * max(1, len(values)) and _holds(paths, (*PICTURES, *SOUNDS)):
            found.append(
                f'"{name}" holds addresses, which are not read: to learn from their files, get these and name their '
                "paths"
            )
    return found


def _holds(values: list[Any], suffixes: tuple[str, ...]) -> bool:
    named = [str(value).lower().endswith(suffixes) and not ADDRESS.match(str(value)) for value in values]
    return bool(named) and sum(named) >= HOLDS * len(named)


def _label(found: Mapping[str, Traits], task: str, why: list[str]) -> str | None:
    ranks = NUMBERS if task == "multimodal-regression" else LABEL
    able = [t for t in found.values() if not t.constant and not t.time and normal(t.name) not in _DIVISION]
    if task == "multimodal-regression":
        able = [t for t in able if t.numeric > 0.9]
    named = sorted((t for t in able if rank(t.name, ranks) is not None), key=lambda t: rank(t.name, ranks) or 0)
    rest = [t for t in able if t.repeats and not t.identifier and t.length < 60]
    chosen = named[0] if named else min(rest, key=lambda t: (t.distinct > 50, t.distinct), default=None)
    if chosen is None:
        why.append("no column looks like a label: name it by data.label=COLUMN")
        return None
    reason = "by its name" if named else "its values repeat"
    why.append(f'label: "{chosen.name}", {reason} ({chosen.distinct} values in {chosen.sampled} rows)')
    others = [t.name for t in [*named, *rest] if t is not chosen]
    if others:
        why.append(f"label could also be: {', '.join(dict.fromkeys(others[:4]))}. If so: data.label={others[0]}")
    return chosen.name


def _text(found: Mapping[str, Traits], why: list[str]) -> str | None:
    prose = [t for t in found.values() if t.prose and (rank(t.name, TEXT) is not None or not t.repeats)]
    prose = [t for t in prose if t.distinct > 0.2 * t.sampled or rank(t.name, TEXT) is not None]
    if not prose:
        return None
    named = [t for t in prose if rank(t.name, TEXT) is not None]
    chosen = min(named, key=lambda t: rank(t.name, TEXT) or 0) if named else max(prose, key=lambda t: t.length)
    why.append(f'text: "{chosen.name}", {"by its name" if named else "the longest free text"}')
    return chosen.name


def _task(columns: Columns, found: Mapping[str, Traits], why: list[str]) -> str:
    label = found.get(str(columns.get("label")))
    if label is not None and label.measure:
        why.append(f'task: multimodal-regression, since "{label.name}" is a number of many values')
        return "multimodal-regression"
    inputs = [role for role in INPUTS if role in columns]
    single = {"image": "image-classification", "audio": "audio-classification"}
    return single.get(inputs[0], "multimodal-classification") if len(inputs) == 1 else "multimodal-classification"


def _tell_of_others(left: Mapping[str, Traits], why: list[str]) -> None:
    """Columns that could be read, too; the user knows whether they are there before the answer is."""
    numbers = [t.name for t in left.values() if t.numeric > 0.95 and not t.identifier and not t.constant]
    kinds = [
        t.name
        for t in left.values()
        if t.name not in numbers and t.repeats and t.length < 60 and not t.time and normal(t.name) not in _DIVISION
    ]
    for role, names in (("numeric", numbers), ("categorical", kinds)):
        if names:
            why.append(
                f"{role} columns are not read unless you say so: data.{role}=[{', '.join(names[:4])}] "
                "(not those that tell the answer)"
            )
