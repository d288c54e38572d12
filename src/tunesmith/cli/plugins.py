"""``tunesmith plugins``: what there is to choose from."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from tunesmith.cli.families import families, summary_of
from tunesmith.cli.frame import emit
from tunesmith.cli.options import Json
from tunesmith.core.errors import RecipeError, did_you_mean
from tunesmith.core.registry import Registry, about, options_of

Asked = Annotated[str | None, typer.Argument(metavar="[FAMILY|NAME]", help="One family, or one plug-in.")]


def plugins(name: Asked = None, json: Json = False) -> None:
    """List the plug-ins of each family, a family's, or one plug-in's options."""
    installed = families()
    if name is None:
        emit({family: list(registry) for family, registry in installed.items()}, json, lambda _: _listing(installed))
    elif name in installed:
        emit({name: list(installed[name])}, json, lambda _: _listing({name: installed[name]}))
    else:
        emit(described(name, installed), json, lambda found: "\n\n".join(map(_page, found["plugins"])))


def described(name: str, installed: Mapping[str, Registry]) -> dict[str, Any]:
    """Every plug-in of that name, whatever its family: summary, what it is, and its options."""
    holders = {family: registry for family, registry in installed.items() if name in registry}
    if not holders:
        known = {*installed, *(plugin for registry in installed.values() for plugin in registry)}
        raise RecipeError(f'There is no family or plug-in "{name}".', did_you_mean(name, known))
    return {"plugins": [_described(name, family, registry) for family, registry in holders.items()]}


def _described(name: str, family: str, registry: Registry) -> dict[str, Any]:
    plugin: Any = registry.load(name)
    made = inspect.isclass(plugin)
    options = options_of(plugin).model_json_schema().get("properties", {}) if made else {}
    return {
        "name": name,
        "family": family,
        "summary": summary_of(registry, name),
        "about": about(plugin) if made else _facts(plugin),
        "options": options,
    }


def _facts(plugin: Any) -> str:
    """What a plug-in that is data (a packaged model) says of itself."""
    facts = {key: value for key, value in vars(plugin).items() if key not in ("name", "summary") and value}
    return "\n".join(f"{key}: {value}" for key, value in facts.items() if isinstance(value, (str, int)))


def _listing(installed: Mapping[str, Registry]) -> str:
    width = max((len(name) for registry in installed.values() for name in registry), default=0)
    blocks = []
    for family, registry in installed.items():
        lines = [f"  {name:<{width}}  {summary_of(registry, name)}" for name in registry]
        blocks.append("\n".join([family, *(lines or ["  (none yet)"])]))
    return "\n\n".join(blocks)


def _page(plugin: Mapping[str, Any]) -> str:
    head = f"{plugin['name']} ({plugin['family']}): {plugin['summary']}"
    options = [
        f"  {key} = {option.get('default', '(required)')}  {_kind(option)}" for key, option in plugin["options"].items()
    ]
    return "\n\n".join(filter(None, [head, plugin["about"], "\n".join(["options:", *options]) if options else ""]))


def _kind(option: Mapping[str, Any]) -> str:
    """An option's type in a word or two."""
    if "enum" in option:
        return "one of " + ", ".join(map(str, option["enum"]))
    return " or ".join(_kind(inner) for inner in option["anyOf"]) if "anyOf" in option else str(option.get("type", ""))
