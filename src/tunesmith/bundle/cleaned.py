"""Texts that are asked, made as the texts were that were learned."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from tunesmith.core.contracts import Row, Task
from tunesmith.data.normal import whole_text
from tunesmith.data.shapes import TEXTS
from tunesmith.data.shapes.settle import shape_of

Clean = Callable[[Row], Row]


def cleaning_of(task: Task, data: Mapping[str, Any]) -> Clean | None:
    """What makes a row's texts as training made them; None where it left them as they were.

    Of a mixture the parts must have been cleaned alike; where one needs its text as it stands, all get it so.

    Args:
        task: the bundle's.
        data: its recipe's ``data``, all values filled in.
    """
    inner: Mapping[str, Task] = getattr(task, "parts", None) or {}
    parts = data.get("parts") or {}
    blocks = [(part.name, parts.get(name) or {}) for name, part in inner.items()] if parts else [(task.name, data)]
    told = []
    for name, block in blocks:
        shape, options = shape_of(name), block.get("clean") or {}
        kept = shape is not None and shape.keeps_text
        told.append((not kept and bool(options.get("normalise")), not kept and bool(options.get("redact"))))
    if len(set(told)) != 1 or not any(told[0]):
        return None
    normalise, redact = told[0]
    if redact:
        import tunesmith.data.redact  # noqa: F401  # here, so that no request waits for it
    return lambda row: cleaned(row, normalise=normalise, redact=redact)


def cleaned(row: Row, *, normalise: bool, redact: bool) -> Row:
    """The row, its texts normalised and without personal data.

    >>> cleaned({"text": " caf\\u00c3\\u00a9 ", "label": " a"}, normalise=True, redact=False)
    {'text': 'café', 'label': ' a'}
    """
    changed = {}
    for role in TEXTS:
        text = row.get(role)
        if isinstance(text, str):
            made = whole_text(text) if normalise else text
            changed[role] = _without_personal(made) if redact else made
    return {**row, **changed}


def _without_personal(text: str) -> str:
    from tunesmith.data.personal import SUSPECT
    from tunesmith.data.redact import redact

    return redact(text)[0] if re.search(SUSPECT, text) else text
