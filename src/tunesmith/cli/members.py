"""What ``soup`` and ``ensemble`` print: the members, what became of them, and the new bundle as ``tune`` shows one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def page(result: Mapping[str, Any], kind: str, heading: str, cell: Callable[[Mapping[str, Any]], str]) -> Any:
    """A table of the members, then the rest.

    Args:
        kind: the key of what was made of them.
        heading: of the last column, whose cells are ``cell(member)``.
    """
    from rich.console import Group
    from rich.table import Table

    from tunesmith.cli.tune import _page as tuned

    found = result[kind]
    table = Table(box=None, pad_edge=False)
    for words in ("member", f"{found['metric']} on the validation rows", heading):
        table.add_column(words)
    for member in found["members"]:
        table.add_row(member["path"], f"{member['validation']:.4f}", cell(member))
    return Group(table, "", found["words"], "", tuned(dict(result)))
