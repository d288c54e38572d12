"""What is light stays light: each import is tried in a process of its own, and what it loaded is looked at."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec

import pytest

from tunesmith.cli import VERBS
from tunesmith.core.registry import FAMILIES

HEAVY = {"torch", "transformers", "datasets", "pandas", "sklearn", "scipy", "matplotlib", "peft", "accelerate"}
MODULES = "import json, sys; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"


def loaded_by(code: str) -> set[str]:
    run = subprocess.run([sys.executable, "-c", f"{code}\n{MODULES}"], capture_output=True, text=True, check=True)
    return set(json.loads(run.stdout.splitlines()[-1]))


def test_import_loads_neither_torch_nor_pydantic_nor_numpy() -> None:
    loaded = loaded_by("import tunesmith; tunesmith.__version__; dir(tunesmith)")
    assert not loaded & {*HEAVY, "pydantic", "numpy", "pyarrow", "yaml", "typer", "rich"}


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_help_loads_not_even_typer(arguments: list[str]) -> None:
    loaded = loaded_by(f"from tunesmith.cli import main; main({arguments})")
    assert not loaded & {*HEAVY, "pydantic", "numpy", "typer", "rich"}


@pytest.mark.parametrize("arguments", [["plugins", "--json"], ["schema"], ["tune", "--help"], ["predict", "--help"]])
def test_light_verbs_load_nothing_heavy(arguments: list[str]) -> None:
    assert not loaded_by(f"from tunesmith.cli import main; main({arguments})") & HEAVY


def test_tables_of_plugins_load_nothing_heavy() -> None:
    tables = {target.partition(":")[0] for target in FAMILIES.values()}
    imports = "; ".join(f"import {table}" for table in sorted(tables))
    assert not loaded_by(imports) & HEAVY


def test_a_recipe_is_checked_before_anything_heavy_loads() -> None:
    code = """
from tunesmith.core.recipe import Recipe
Recipe.parse({"task": "text-classification", "method": {"name": "lora", "rank": 4}},
             ["training.strategies=[fgm]", "evaluation.checks=[calibration]"])
"""
    assert not loaded_by(code) & HEAVY


def test_every_verb_of_the_table_is_there() -> None:
    for name, verb in VERBS.items():
        assert verb.load().__name__ == name


def test_torchvision_is_absent() -> None:
    assert find_spec("torchvision") is None, "it does not fit the CPU build of torch; see constraints.txt"


def test_public_names() -> None:
    import tunesmith

    assert all(getattr(tunesmith, name) is not None for name in tunesmith.__all__)
    with pytest.raises(AttributeError, match="no attribute 'tunne'"):
        _ = tunesmith.tunne
