"""Tunesmith: from a pretrained model and your data to a proven bundle."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import TunesmithError

if TYPE_CHECKING:
    from tunesmith.bundle.read import read_bundle as load
    from tunesmith.pipeline import tune

__version__ = "0.1.0"

_LAZY = {
    "tune": "tunesmith.pipeline:tune",
    "load": "tunesmith.bundle.read:read_bundle",
}
"""Public names, each loaded when it is first asked for, so that ``import tunesmith`` costs nothing."""

__all__ = ["TunesmithError", "__version__", "load", "tune"]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _LAZY[name].partition(":")
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted(__all__)
