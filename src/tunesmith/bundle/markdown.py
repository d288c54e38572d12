"""Text and tables as Markdown that says what was meant, whatever is in a label or a file name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any


def escaped(value: Any) -> str:
    """One line of plain text: nothing in it is markup, HTML or a link.

    >>> print(escaped("a*b <i> [x](y) |"))
    a\\*b &lt;i> \\[x\\](y) \\|
    """
    line = " ".join(str(value).split()).replace("&", "&amp;").replace("<", "&lt;")
    line = re.sub(r"([\\`*_{}\[\]|~$])", r"\\\1", line)
    return re.sub(r"^(\d*)([#+\->=.)])", r"\1\\\2", line)


def code(value: Any) -> str:
    """A code span, fenced by more backticks than it holds.

    >>> print(code("a`b"))
    ``a`b``
    """
    line = " ".join(str(value).split()) or " "
    ticks = "`" * (max((len(run) for run in re.findall("`+", line)), default=0) + 1)
    space = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{ticks}{space}{line}{space}{ticks}".replace("|", "\\|")


def block(text: str, language: str = "") -> list[str]:
    """A code block, fenced by more backticks than it holds."""
    longest = max((len(run) for run in re.findall("`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return [f"{fence}{language}", *text.rstrip("\n").split("\n"), fence, ""]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table whose cells are Markdown already; numbers stand right from the second column on."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return [*(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows)), ""]


def items(lines: Sequence[str]) -> list[str]:
    """A list of lines that are Markdown already."""
    return [*(f"- {line}" for line in lines), ""] if lines else []
