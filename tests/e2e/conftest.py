"""The command line as a user has it: a process for each verb."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunesmith.testing import tiny_bert, toy_rows
from tunesmith.testing.verb import Ended, run_verb

KILLER = """
import os, signal, sys
from tunesmith.training import checkpoint
from tunesmith.training.trackers.jsonl import Jsonl

place, arguments = sys.argv[1], sys.argv[2:]

def die():
    os.kill(os.getpid(), signal.SIGKILL)

log, stage, write = Jsonl.log, Jsonl.stage, checkpoint.write
seen = []

def logged(self, step, values):
    log(self, step, values)
    if place == "training" and step == 5:
        die()
    if place == "evaluation" and any(key.startswith("validation/") for key in values):
        seen.append(step)
        if len(seen) == 2:
            die()

def staged(self, name):
    stage(self, name)
    if place == "reload" and name == "reload":
        die()

Jsonl.log, Jsonl.stage = logged, staged
if place == "saving":
    from transformers import PreTrainedModel
    save = PreTrainedModel.save_pretrained
    def saved(self, *args, **options):
        save(self, *args, **options)
        die()
    PreTrainedModel.save_pretrained = saved
from tunesmith.cli import main
sys.exit(main(arguments))
"""
"""The command line, killed with -9 at a place."""


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data, a model and a recipe."""
    place: Path = tmp_path_factory.mktemp("e2e")
    rows = [row for language in ("en", "zh") for row in toy_rows(language, 70)]
    same = {"消极": "negative", "积极": "positive"}
    for name, some in (("reviews", rows[:100] + rows[110:]), ("held", rows[100:110])):
        with (place / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, ["review", "sentiment"])
            writer.writeheader()
            writer.writerows({"review": r["text"], "sentiment": same.get(r["label"], r["label"])} for r in some)
    model = tiny_bert(place / "model", texts=[row["text"] for row in rows])
    (place / "recipe.yaml").write_text(
        json.dumps(
            {
                "data": {"path": "reviews.csv", "text": "review", "label": "sentiment"},
                "model": {"name": str(model), "pooling": "mean"},
                "training": {
                    "epochs": 3, "learning_rate": 4e-3, "head_learning_rate": 4e-3, "checkpoint_seconds": 0,
                    "threads": 1, "trackers": ["jsonl"], "strategies": ["fgm"], "patience": None,
                },
                "evaluation": {"resamples": 100},
            }
        )
    )  # fmt: skip
    return place


@pytest.fixture(scope="session")
def tunesmith(home: Path) -> Callable[..., Ended]:
    """(arguments) -> how it ended; ``kill`` names a place to die at."""
    environment = {**os.environ, "TUNESMITH_CACHE": str(home / "cache"), "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"}

    def run(*arguments: str, kill: str = "") -> Ended:
        if not kill:
            return run_verb(*arguments, folder=home, environment=environment)
        found = subprocess.run(
            [sys.executable, "-c", KILLER, kill, *arguments],
            cwd=home,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
        )
        return Ended(found.returncode, found.stdout, found.stderr)

    return run


@pytest.fixture(scope="session")
def told(tunesmith: Callable[..., Ended]) -> Any:
    """What ``tune --json`` of the recipe prints; the bundle is ``out/whole``."""
    ended = tunesmith("tune", "recipe.yaml", "bundle=out/whole", "--json")
    assert ended.code == 0, ended.err
    return ended.json
