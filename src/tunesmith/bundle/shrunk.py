"""A bundle with a graph where its weights were: it answers, and nothing can be made of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tunesmith.core.errors import BundleError

if TYPE_CHECKING:
    from tunesmith.bundle.layout import Manifest
    from tunesmith.bundle.read import Bundle

INSTEAD = "Take its parent, or shrink with --keep-weights."


def without_weights(path: Path, manifest: Manifest) -> str | None:
    """That it was shrunk and has no weights any more, in words; None where it has."""
    if not manifest.runtime.form or any(path.glob("*.safetensors")):
        return None
    return f"{path} was shrunk to {manifest.runtime.form}: it has a graph, and no weights."


def refuse_shrunk(bundle: Bundle) -> None:
    """Raise BundleError where a bundle was shrunk and has no weights any more."""
    if why := without_weights(bundle.path, bundle.manifest):
        raise BundleError(why, INSTEAD)
