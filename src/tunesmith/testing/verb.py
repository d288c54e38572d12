"""The command line in a fresh process, at the price of a fork: for tests of what a process that knows nothing finds."""

from __future__ import annotations

import contextlib
import json
import os
import runpy
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunesmith.bundle.fresh import Fresh

_FRESH = Fresh(__name__, imports=("torch", "transformers.modeling_utils", "tunesmith.models.heads"))


@dataclass(frozen=True)
class Ended:
    """A command that ended.

    Args:
        code: its exit code, negative for a signal.
        out: what it printed.
        err: what it said beside it.
    """

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed with ``--json``."""
        return json.loads(self.out)


def run_verb(
    *arguments: str,
    folder: str | os.PathLike[str] | None = None,
    environment: Mapping[str, str] | None = None,
    timeout: float = 300.0,
) -> Ended:
    """Run ``tunesmith ARGUMENTS`` in a process that has imported what this one has, and done nothing else.

    Args:
        folder: where it runs; None: here.
        environment: its variables; None: this process's.
        timeout: seconds, after which it is killed (``TimeoutError``).
    """
    with tempfile.TemporaryDirectory(prefix="tunesmith-", ignore_cleanup_errors=True) as place:
        out = Path(place, "stdout")
        words = [str(out), str(Path(folder or Path.cwd()).resolve()), *arguments]
        code, err = _FRESH.run(words, os.environ if environment is None else environment, timeout)
        return Ended(code, out.read_text("utf-8") if out.exists() else "", err)


def main(words: Sequence[str]) -> int:
    """What the fresh process does: the file for stdout, the folder, the command's words."""
    out, folder, *arguments = words
    os.chdir(folder)
    sys.argv = ["tunesmith", *arguments]
    with open(out, "w", encoding="utf-8") as file, contextlib.redirect_stdout(file):
        runpy.run_module("tunesmith", run_name="__main__")  # it ends by SystemExit, which who asks reads
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
