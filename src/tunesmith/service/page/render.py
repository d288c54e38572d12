"""The page's HTML, in a reader's language."""

from __future__ import annotations

import json
from functools import cache
from html import escape
from importlib.resources import files
from string import Template

from tunesmith.service.page.words import WORDS


@cache
def page(language: str) -> str:
    """The whole page; products come into it by its script."""
    words = WORDS[language]
    told = json.dumps(words, ensure_ascii=False).replace("<", "\\u003c")
    marked = {name: escape(text) for name, text in words.items()}
    return Template(asset("page.html")).substitute(marked, language=language, words_json=told)


@cache
def asset(name: str) -> str:
    """A file beside this one."""
    return files("tunesmith.service.page").joinpath(name).read_text("utf-8")
