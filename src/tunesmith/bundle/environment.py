"""What a bundle was made with: versions, never settings or secrets."""

from __future__ import annotations

import platform
import re
from importlib import metadata

from tunesmith.core.runtime import cores


def environment() -> str:
    """``environment.txt``: comments on the machine, then packages as pip pins them.

    Nothing is read from environment variables, and no address that a package was installed from is told.
    """
    machine = f"{platform.system()} {platform.release()} {platform.machine()}"
    about = [
        f"# python {platform.python_version()} ({platform.python_implementation()})",
        f"# {machine}, {cores()} cores",
    ]
    return "\n".join([*about, *packages()]) + "\n"


def packages() -> list[str]:
    """``name==version`` of every installed package, by name."""
    found = {_normal(p.metadata["Name"] or ""): p.version for p in metadata.distributions()}
    return [f"{name}=={version}" for name, version in sorted(found.items()) if name]


def _normal(name: str) -> str:
    """PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()
