"""Heavy packages are asked for at the door of the room that needs them."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from tunesmith.core.errors import ExtraMissing


def need(module: str, *, extra: str = "", package: str = "", purpose: str = "") -> ModuleType:
    """Import ``module``, or say what to install.

    Args:
        module: the import name.
        extra: the extra of tunesmith that holds it, if one does.
        package: the package to install when no extra holds it (default: ``module``).
        purpose: what it is needed for, in words.

    Raises:
        ExtraMissing: the module is not installed, or fails to import.
    """
    try:
        return import_module(module)
    except ImportError as error:
        what = f'"tunesmith[{extra}]"' if extra else (package or module)
        missing = error.name is not None and module.split(".")[0] == error.name.split(".")[0]
        why = "is not installed" if missing else f"is installed but does not import ({error})"
        raise ExtraMissing(
            f"{module} {why}{f'; it is needed for {purpose}' if purpose else ''}.",
            f"Run: pip install {what}",
        ) from error
