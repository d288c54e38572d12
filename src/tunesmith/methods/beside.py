"""Adapters that stand beside each other on one base: which methods can, and one adapter's folder.

As ``apart``'s, and ``adapter.json`` says with which options the method was made and which classes the head has.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunesmith.core.contracts import Method, Task
from tunesmith.core.errors import BundleError
from tunesmith.core.registry import family
from tunesmith.methods import apart
from tunesmith.methods.lora import CHANGES_BASE

if TYPE_CHECKING:
    from torch import nn

DEFAULT = "lora"
ADDS = ("lora", "adapter", "ia3", "oft", "prefix", "head")
"""Methods that leave every weight of the backbone as it is."""


def changes_base(method: Method) -> str | None:
    """Why a method's adapter cannot stand beside others, in words; None where it can."""
    if method.name not in ADDS:
        return f"{method.name} does not only add weights to a backbone that stays as it is"
    if getattr(method, "placement", "") == "houlsby":
        return "placement houlsby trains the backbone's norms"
    if getattr(method, "start", "") in CHANGES_BASE:
        return f"start {getattr(method, 'start', '')} moves a part of the backbone's weights into the adapter"
    return None


def write(model: Any, folder: Path, record: Mapping[str, Any], names: Sequence[str]) -> None:
    """An adapter and its head.

    Args:
        record: the method's "name" and "options".
        names: of the head's classes, in order.
    """
    apart.write(model, str(folder), str(record["name"]), "")
    about = {"method": record["name"], "options": record["options"], "classes": list(names)}
    (folder / apart.ABOUT).write_text(json.dumps(about, ensure_ascii=False, indent=1) + "\n", "utf-8")


def read(base: Any, folder: Path, task: Task) -> nn.Module:
    """An adapter on a base, whose weights it shares; ``record`` and ``classes`` of the model say what was written.

    Raises:
        BundleError: a file is missing or broken, or does not fit the base.
    """
    from tunesmith.models.routed import with_head_for

    try:
        about = json.loads((folder / apart.ABOUT).read_text("utf-8"))
        record, names = {"name": about["method"], "options": about["options"]}, list(about["classes"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{folder / apart.ABOUT} cannot be read: {error!r:.200}.", "Learn anew.") from error
    method = family("methods").make(record["name"], record["options"])
    model: Any = apart.read(method.apply(with_head_for(base, names), task), str(folder))
    model.record, model.classes = record, names
    return model.eval()  # type: ignore[no-any-return]
