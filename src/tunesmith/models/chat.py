"""A conversation as text, by a chat template and without transformers: the same text from the same files."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from tunesmith.core.extras import need

FILE, MORE = "chat_template.jinja", "chat_templates"
MARKS = re.compile(r"\{%-?\s*generation\b")
"""A template that marks what is generated; only transformers reads such marks."""


def template_of(folder: Path, settings: Mapping[str, Any]) -> str | None:
    """The chat template of a tokenizer's folder; None where it has none.

    Args:
        settings: of ``tokenizer_config.json``, where older ones stand.

    Raises:
        ValueError: only transformers knows what it would take.
    """
    if (folder / MORE).is_dir():
        raise ValueError("several templates")
    path = folder / FILE
    found = path.read_text("utf-8") if path.is_file() else settings.get("chat_template")
    if found is not None and (not isinstance(found, str) or MARKS.search(found)):
        raise ValueError("several templates, or one with marks")
    return found


def rendered(
    template: str, messages: Sequence[Mapping[str, Any]], tokens: Mapping[str, str], *, answer: bool = False
) -> str:
    """A conversation as the template writes it.

    Args:
        template: Jinja; it runs in a sandbox.
        messages: with ``role`` and ``content``.
        tokens: special tokens by role, which templates may name.
        answer: up to where the next answer begins.

    Raises:
        jinja2.TemplateError: the template is broken, or refuses the conversation.
    """
    given = {"messages": [dict(message) for message in messages], "tools": None, "documents": None}
    return str(_compiled(template).render(**given, add_generation_prompt=answer, **tokens))


@lru_cache(maxsize=16)
def _compiled(template: str) -> Any:
    need("jinja2", extra="onnx", purpose="chat templates")
    from jinja2 import TemplateError
    from jinja2.ext import loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def refused(message: str) -> None:
        raise TemplateError(message)

    def now(form: str) -> str:
        from datetime import datetime

        return datetime.now().strftime(form)

    def as_json(
        value: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, sort_keys: bool = False
    ) -> str:
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    made = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
    made.filters["tojson"] = as_json
    made.globals |= {"raise_exception": refused, "strftime_now": now}
    return made.from_string(template)
