"""kill -9 in training, in an evaluation, while saving and while reloading: the same weights, and no half bundle."""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[..., Any]


def sha(path: Path) -> str:
    return hashlib.sha256((path / "model.safetensors").read_bytes()).hexdigest()


def test_one_run_killed_at_every_place(told: Any, tunesmith: Run, home: Path) -> None:
    command = ("tune", "recipe.yaml", "bundle=killed/torn", "--json")
    for place in ("training", "evaluation", "saving"):
        ended = tunesmith(*command, kill=place)
        assert ended.code == -signal.SIGKILL, (place, ended.err)
        visible = [path.name for path in (home / "killed").iterdir() if not path.name.startswith(".")]
        assert visible == [], f"killed in {place}"
    ended = tunesmith(*command)
    assert ended.code == 0, ended.err
    found = ended.json
    assert found["training"]["resumed_at"] == found["training"]["steps"] > 0, "what was trained is not trained again"
    assert sha(home / "killed/torn") == sha(home / "out/whole")
    assert [path.name for path in (home / "killed").iterdir()] == ["torn"], "nothing is left over"
    assert found["metrics"] == told["metrics"]
