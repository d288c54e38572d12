"""What an admin changed of products, in a file, so that a restart does not undo it.

The catalog has the last word: a change was made to what the catalog said then, and holds as long as it says the same.
Who takes a product out of the catalog, or gives it other versions or another route, undoes what was changed of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunesmith.core.errors import TunesmithError
from tunesmith.service.settings import ProductSpec, Route

Block = Mapping[str, Any]
"""What of a product an admin may change, as the catalog has it: ``versions`` and ``route``."""


@dataclass(frozen=True)
class Change:
    """A product as an admin left it.

    Args:
        catalog: what the catalog said of it at that time; None: nothing, an admin made it.
        versions: all that are known, name -> the bundle's folder.
        route: which of them answers.
        before: the route before the last change.
    """

    catalog: Block | None
    versions: Mapping[str, Path]
    route: Route
    before: Route | None


def block_of(spec: ProductSpec) -> Block:
    """What the catalog says, to be compared with what it said at another time; folders are absolute."""
    return {"versions": _told(spec.versions), "route": spec.route().model_dump(mode="json")}


def holding(changes: Mapping[str, Change], blocks: Mapping[str, Block]) -> tuple[dict[str, Change], dict[str, Change]]:
    """Changes by product that hold under a catalog's blocks, and those that do not."""
    held = {name: one for name, one in changes.items() if one.catalog == blocks.get(name)}
    return held, {name: one for name, one in changes.items() if name not in held}


def write(path: Path, changes: Mapping[str, Change]) -> None:
    """Replace the file, whole."""
    told = {
        name: {
            "catalog": one.catalog,
            "versions": _told(one.versions),
            "route": one.route.model_dump(mode="json"),
            "before": one.before.model_dump(mode="json") if one.before else None,
        }
        for name, one in changes.items()
    }
    part = path.with_suffix(".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_text(json.dumps(told, indent=1, ensure_ascii=False), "utf-8")
    part.replace(path)


def read(path: Path) -> dict[str, Change]:
    """Changes by product; none where there is no file.

    Raises:
        TunesmithError: the file is damaged: which version would answer is not to be guessed.
    """
    if not path.is_file():
        return {}
    try:
        return {name: _change(told) for name, told in json.loads(path.read_text("utf-8")).items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TunesmithError(
            f"{path} is damaged: {type(error).__name__}: {error}",
            "It has what the admin API changed. Remove it to serve what the catalog says.",
        ) from error


def _change(told: Mapping[str, Any]) -> Change:
    return Change(
        # A file without it is an older one, which had all products in it, changed or not.
        told.get("catalog", {}),
        {version: Path(folder) for version, folder in told["versions"].items()},
        Route.model_validate(told["route"]),
        Route.model_validate(told["before"]) if told["before"] else None,
    )


def _told(versions: Mapping[str, Path]) -> dict[str, str]:
    return {version: str(path.absolute()) for version, path in versions.items()}
