"""DESIGN's arrows, held by import-linter; and two that it has no word for while the run arm is not there yet."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
SANDBOX = ROOT / "src" / "tunesmith" / "core" / "sandbox" / "inside.py"
"""Where a program is run that a model wrote, under guard."""
BUILD_ARM = ("pipeline", "search", "training", "evaluation", "compression", "objectives")
RUN_ARM = ("applications", "feedback", "service", "knowledge")


def test_contracts_are_kept() -> None:
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    command = [sys.executable, "-c", code, "--no-cache"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "0 broken" in run.stdout


def test_arms_never_import_each_other() -> None:
    graph = grimp.build_graph("tunesmith", exclude_type_checking_imports=True, cache_dir=None)
    here = [arm for arm in (*BUILD_ARM, *RUN_ARM) if find_spec(f"tunesmith.{arm}")]
    for build, run in product(BUILD_ARM, RUN_ARM):
        if build in here and run in here:
            for importer, imported in ((build, run), (run, build)):
                chain = graph.find_shortest_chain(f"tunesmith.{importer}", f"tunesmith.{imported}", as_packages=True)
                assert chain is None, chain


def test_no_pickle_no_eval_no_utils() -> None:
    for path in (ROOT / "src").rglob("*.py"):
        text = path.read_text("utf-8")
        assert "util" not in path.stem, f"{path}: name the idea"
        assert not re.search(r"^\s*(import|from) (pickle|dill|joblib|cloudpickle)\b", text, re.M), path
        if path != SANDBOX:
            assert not re.search(r"(?<![\w.])(eval|exec)\(", text), path
