"""The families of plug-ins that are installed, read from their tables."""

from __future__ import annotations

from typing import Any

from tunesmith.core.registry import FAMILIES, Registry, family


def families() -> dict[str, Registry]:
    """Every family by its plural name. A room that is not part of this installation is left out."""
    found: dict[str, Registry] = {}
    for name, target in FAMILIES.items():
        try:
            found[name] = family(name)
        except ModuleNotFoundError as error:
            if error.name is None or not target.startswith(error.name):
                raise
    return found


def summary_of(registry: Registry, name: str) -> str:
    """A plug-in's line; for one that does not load (an outside package may be broken), why."""
    try:
        plugin: Any = registry.load(name)
    except Exception as error:  # whatever an outside package raises must not hide the other plug-ins
        return f"does not load: {error}".splitlines()[0]
    first_line = (plugin.__doc__ or "").strip().partition("\n")[0]
    return str(getattr(plugin, "summary", "") or first_line)
