"""Every registered name of every family: it loads, says what it is, and its options are its signature."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from sketches import OPTIONS

from tunesmith.core import contracts
from tunesmith.core.registry import FAMILIES, about, family, options_of

NAMES = [(name, member) for name in FAMILIES for member in sorted(family(name))]
BASES = {
    "tasks": contracts.Task,
    "objectives": contracts.Task,
    "prompts": contracts.Task,
    "methods": contracts.Method,
    "strategies": contracts.Strategy,
    "trackers": contracts.Tracker,
    "rewards": contracts.Reward,
    "metrics": contracts.Metric,
    "checks": contracts.Check,
}
PLAIN = {"baselines", "sources", "packaged_models"}
"""Families of functions or ready objects."""
HEAVY = {"torch", "transformers", "peft", "accelerate", "datasets", "pandas", "sklearn", "matplotlib"}


@pytest.mark.parametrize(("kind", "name"), NAMES, ids="/".join)
def test_it_says_what_it_is(kind: str, name: str) -> None:
    plugin = family(kind).load(name)
    assert getattr(plugin, "name", name) == name
    assert (plugin.__doc__ or "").strip(), "a docstring"
    if kind not in PLAIN:
        assert (plugin.task if kind == "shapes" else plugin.name) == name
        summary = plugin.summary
        assert summary and "\n" not in summary and len(summary) < 110 and not summary.endswith(".")
    if kind in BASES:
        assert issubclass(plugin, BASES[kind])


NEEDED = {("distill", "teacher"), ("grpo", "rewards"), ("judge", "by")}
"""Options that nothing can be assumed for."""


@pytest.mark.parametrize(("kind", "name"), [(k, n) for k, n in NAMES if k in BASES], ids="/".join)
def test_its_options_are_its_typed_signature(kind: str, name: str) -> None:
    plugin = family(kind).load(name)
    options = options_of(plugin)
    schema = options.model_json_schema()
    assert schema.get("additionalProperties") is False
    for key, field in options.model_fields.items():
        assert not field.is_required() or (name, key) in NEEDED, f"{key} has a default"
        assert schema["properties"][key].keys() & {"type", "anyOf", "enum", "const", "$ref"}, f"{key} has a type"
        assert key in about(plugin), f"{key} stands in the docstring"
    if not any(plugin_name == name for plugin_name, _ in NEEDED):
        assert isinstance(family(kind).make(name), plugin)


@pytest.mark.parametrize("name", sorted(family("tasks")))
def test_a_tasks_facts(name: str) -> None:
    from tunesmith.models.load import auto_class

    task = family("tasks").make(name, OPTIONS.get(name))
    assert hasattr(auto_class(task.auto_model), "from_pretrained") and task.pipeline_tag
    assert any(column.target for column in task.columns) and any(not column.target for column in task.columns)
    assert len({column.role for column in task.columns}) == len(task.columns)
    assert task.metrics and all(metric in family("metrics") for metric in task.metrics)


def test_no_plug_in_loads_anything_heavy() -> None:
    """One process for all: each is loaded, made and asked for its schema, and torch has not been needed."""
    light = [name for name in FAMILIES if name not in ("baselines", "packaged_models", "sources")]
    code = f"""
import json, sys
from tunesmith.core.registry import family, about, options_of
guilty = {{}}
for kind in {light!r}:
    for name in family(kind):
        before = set(sys.modules)
        plugin = family(kind).load(name)
        options_of(plugin).model_json_schema() if kind != "runtimes" else None
        found = {{m.partition(".")[0] for m in set(sys.modules) - before}} & {HEAVY!r}
        if found:
            guilty[f"{{kind}}/{{name}}"] = sorted(found)
print(json.dumps(guilty))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == {}
