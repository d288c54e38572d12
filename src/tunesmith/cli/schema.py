"""``tunesmith schema``: the JSON Schema of a recipe, for editors and for other programs."""

from __future__ import annotations

from typing import Any

from tunesmith.cli.families import families
from tunesmith.cli.frame import emit
from tunesmith.cli.options import Json
from tunesmith.cli.output import to_json
from tunesmith.core.recipe import ROLES, Recipe
from tunesmith.core.registry import options_of

DIALECT = "https://json-schema.org/draft/2020-12/schema"

PLACES = {
    ("DataBlock", "augment"): "augmentations",
    ("PartBlock", "augment"): "augmentations",
    ("Recipe", "task"): "tasks",
    ("Recipe", "method"): "methods",
    ("TrainingBlock", "strategies"): "strategies",
    ("TrainingBlock", "trackers"): "trackers",
    ("EvaluationBlock", "checks"): "checks",
}
"""(block, key) of a recipe -> the family whose plug-ins stand there."""


def schema(json: Json = False) -> None:
    """Print the JSON Schema of a recipe, with the options of every installed plug-in.

    It is JSON with or without --json. Give it to an editor (the YAML extension of VS Code reads it), and recipes
    complete and check themselves.
    """
    emit(recipe_schema(), json, to_json)


def recipe_schema() -> dict[str, Any]:
    """The schema of every way in which a recipe may be written, short forms included."""
    tree = Recipe.model_json_schema()
    definitions: dict[str, Any] = tree["$defs"]
    blocks = {"Recipe": tree, **definitions}
    installed = families()
    for (block, key), family in PLACES.items():
        if family in installed:
            definitions[family] = _plugins(family, installed[family], definitions)
            place = blocks[block]["properties"][key]
            _put(place, {"$ref": f"#/$defs/{family}"}, many=place.get("type") == "array")
    tree["properties"]["model"] = _or_text(tree["properties"]["model"])
    tree["properties"]["data"] = _or_text(tree["properties"]["data"])
    definitions["DataBlock"]["properties"].update({role: _COLUMN for role in ROLES})
    return {"$schema": DIALECT, **tree}


_COLUMN = {
    "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
    "description": "the column that plays this role; absent: guessed",
}


def _put(place: dict[str, Any], reference: dict[str, Any], *, many: bool) -> None:
    for stale in ("$ref", "allOf", "items"):
        place.pop(stale, None)
    place.update({"items": reference} if many else reference)


def _or_text(block: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in block.items() if key != "$ref"}
    return {**kept, "anyOf": [{"type": "string"}, {"$ref": block["$ref"]}]}


def _plugins(family: str, registry: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """A name alone, or a block of a name and that plug-in's own options."""
    names = [*(["auto"] if family in ("tasks", "methods") else []), *registry]
    return {"anyOf": [{"enum": names}, *(_block(name, registry.load(name), definitions) for name in registry)]}


def _block(name: str, plugin: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    options = options_of(plugin).model_json_schema()
    definitions.update(options.pop("$defs", {}))
    options["properties"] = {"name": {"const": name}, **options.get("properties", {})}
    options["required"] = ["name", *options.get("required", [])]
    options["title"] = name
    options["description"] = getattr(plugin, "summary", "")
    return options
