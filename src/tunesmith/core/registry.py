"""Names for plug-ins. A family is a table of names to ``"module:Class"``; nothing loads until asked for.

Packages outside join a family by an entry-point group of the family's name, for example::

    [project.entry-points."tunesmith.methods"]
    my-method = "my_package.method:MyMethod"
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module, metadata
from typing import Any

from pydantic import BaseModel, ConfigDict, create_model

from tunesmith.core.errors import RecipeError, did_you_mean

FAMILIES: dict[str, str] = {
    "tasks": "tunesmith.tasks:TASKS",
    "objectives": "tunesmith.objectives:OBJECTIVES",
    "prompts": "tunesmith.tasks.prompted:PROMPTS",
    "methods": "tunesmith.methods:METHODS",
    "strategies": "tunesmith.training.strategies:STRATEGIES",
    "rewards": "tunesmith.training.rewards:REWARDS",
    "trackers": "tunesmith.training.trackers:TRACKERS",
    "metrics": "tunesmith.evaluation.metrics:METRICS",
    "checks": "tunesmith.evaluation.checks:CHECKS",
    "baselines": "tunesmith.evaluation.baselines:BASELINES",
    "runtimes": "tunesmith.bundle.runtimes:RUNTIMES",
    "forms": "tunesmith.compression:FORMS",
    "writer_forms": "tunesmith.compression:WRITER_FORMS",
    "sources": "tunesmith.data.sources:SOURCES",
    "shapes": "tunesmith.data.shapes:SHAPES",
    "formats": "tunesmith.data.formats:FORMATS",
    "augmentations": "tunesmith.data.augment:AUGMENTATIONS",
    "packaged_models": "tunesmith.models.packaged:PACKAGED_MODELS",
}
"""Every family, by the name that ``tunesmith plugins`` prints. Strings, so that core imports nothing above it."""


class Registry(Mapping[str, str]):
    """A family of plug-ins: a mapping of names to import strings, loaded on ``load``.

    Args:
        kind: the family's word in the singular, for messages ("method").
        table: name -> "package.module:attribute".
    """

    def __init__(self, kind: str, table: Mapping[str, str]) -> None:
        self.kind = kind
        self._own = dict(table)

    @property
    def group(self) -> str:
        """The entry-point group by which outside packages join."""
        return f"tunesmith.{plural(self.kind).replace(' ', '_')}"

    def _table(self) -> dict[str, str]:
        return {**{p.name: p.value for p in _entry_points(self.group)}, **self._own}

    def __getitem__(self, name: str) -> str:
        try:
            return self._table()[name]
        except KeyError:
            raise KeyError(name) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._table())

    def __len__(self) -> int:
        return len(self._table())

    def load(self, name: str) -> Any:
        """The plug-in itself. An unknown name raises ``RecipeError`` that names the nearest."""
        if name not in self:
            raise RecipeError(f'There is no {self.kind} "{name}".', did_you_mean(name, self))
        return load_object(self[name])

    def make(self, name: str, options: Mapping[str, Any] | None = None) -> Any:
        """An instance, its options checked against its own signature."""
        plugin = self.load(name)
        checked = options_of(plugin)(**dict(options or {}))
        return plugin(**{key: getattr(checked, key) for key in type(checked).model_fields})


def plural(kind: str) -> str:
    """The family's word for many: ``strategy`` -> ``strategies``."""
    return kind[:-1] + "ies" if kind.endswith("y") else kind + "s"


def family(name: str) -> Registry:
    """A family by its plural name, for example ``family("methods")``."""
    if name not in FAMILIES:
        raise RecipeError(f'There is no family of plug-ins "{name}".', did_you_mean(name, FAMILIES))
    registry: Registry = load_object(FAMILIES[name])
    return registry


def tasks_with(name: str) -> Registry:
    """The family that holds a task's name: objectives are tasks without labels, prompts tasks without training."""
    return next((found for found in map(family, ("tasks", "objectives", "prompts")) if name in found), family("tasks"))


def load_object(path: str) -> Any:
    """``"package.module:attribute"`` -> the attribute."""
    module, _, attribute = path.partition(":")
    return getattr(import_module(module), attribute)


@cache
def options_of(plugin: Any) -> type[BaseModel]:
    """The pydantic model of a plug-in's options: its keyword arguments, their types and defaults.

    An option is written once, in the signature of the plug-in that reads it.
    """
    fields: dict[str, Any] = {}
    for parameter in inspect.signature(plugin, eval_str=True).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        default = ... if parameter.default is parameter.empty else parameter.default
        annotation = Any if parameter.annotation is parameter.empty else parameter.annotation
        fields[parameter.name] = (annotation, default)
    config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, protected_namespaces=())
    return create_model(f"{plugin.__name__}Options", __config__=config, __doc__=plugin.__doc__, **fields)


def about(plugin: type) -> str:
    """A plug-in's docstring; where its options are those of a class that it builds on, with what that says of them."""
    told = inspect.getdoc(plugin) or ""
    signed = next(one for one in plugin.__mro__ if "__init__" in vars(one))
    _, args, options = (inspect.getdoc(signed) or "").partition("Args:")
    return told if not args or "Args:" in told else f"{told}\n\n{args}{options}"


@cache
def _entry_points(group: str) -> tuple[metadata.EntryPoint, ...]:
    return tuple(metadata.entry_points(group=group))
