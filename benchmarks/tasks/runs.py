"""What scripts share whose runs are tuned one after the other, each in a process of its own."""

from __future__ import annotations

import argparse
import gzip
import random
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import harness

Runs = Mapping[str, Mapping[str, Any]]
TOLD = ("model", "seconds", "metrics", "before", "baselines", "verdict", "parity", "training", "notes")
"""What is kept of ``tunesmith tune --json``."""


def lines_of(path: Path) -> list[str]:
    """A text file's lines, of ``path`` or of what is packed beside it."""
    found = path if path.is_file() else path.with_name(path.name + ".gz")
    opened: Any = gzip.open if found.suffix == ".gz" else open
    with opened(found, "rt", encoding="utf-8") as file:
        lines: list[str] = file.read().splitlines()
    return lines


def drawn(lines: Sequence[str], limit: int | None) -> list[str]:
    """All lines, or ``limit`` of them by the seed, in their order."""
    if limit is None or limit >= len(lines):
        return list(lines)
    return [lines[i] for i in sorted(random.Random(13).sample(range(len(lines)), limit))]


def splits(job: Mapping[str, Any], folder: Path, name: str, lines: Callable[[str, int | None], list[str]]) -> list[Any]:
    """The job's training, test and validation file, written in ``folder``, as ``tunesmith tune`` takes them.

    Args:
        name: of the files ("{}.jsonl").
        lines: (split, how many) -> its lines.
    """
    command: list[Any] = []
    for split, key, size in (("train", "", "rows"), ("test", "data.test=", "test_rows"),
                             ("dev", "data.validation=", "validation")):  # fmt: skip
        path = folder / name.format(split)
        path.write_text("\n".join(lines(split, job[size])) + "\n", "utf-8")
        command.append(f"{key}{path}")
    return command


def found(told: Mapping[str, Any], report: Mapping[str, Any]) -> dict[str, Any]:
    """What a page needs of the command's answer and of the report."""
    sides = {"before": report["before"], **report["baselines"]}
    return {
        **{key: told[key] for key in TOLD},
        "rows": report["context"]["rows"],
        "stages": report["context"]["seconds"],
        "parts": {name: side["seconds"] for name, side in sides.items()},
    }


def parser(about: str | None, runs: Runs, what: str = "rows") -> argparse.ArgumentParser:
    """The options of a script with these runs."""
    made = harness.parser(about)
    made.add_argument("--only", nargs="+", choices=list(runs), default=list(runs))
    made.add_argument("--rows", type=int, help=f"training {what} (default: as the script says)")
    made.add_argument("--test-rows", type=int, help=f"test {what} (default: all)")
    made.add_argument("--set", nargs="*", default=[], help="overrides for every run, training.epochs=2 ...")
    return made


def parsed(made: argparse.ArgumentParser, rows: int, test_rows: int) -> argparse.Namespace:
    """The command line; with ``--quick``, two steps on so many rows."""
    given = harness.parse(made)
    if given.quick:
        given.rows, given.test_rows = given.rows or rows, given.test_rows or test_rows
        given.set = ["training.max_steps=2", *given.set]
    return given


def measure(script: str, name: str, title: str, runs: Runs, given: argparse.Namespace, page: Any, **more: Any) -> None:
    """Make the chosen runs; write the page after each, beside what earlier commands found.

    Args:
        script: the caller's ``__file__``, whose ``work`` is given a run, with ``data``, ``rows``, ``test_rows`` and
            ``settings`` by the command line, and ``more``.
        name: of the results.
        page: figures -> lines.
    """
    kept = harness.kept(given.results / f"{name}.json", {})
    context = harness.context()
    for key in given.only:
        job = {"rows": None, **runs[key], "test_rows": given.test_rows, "data": str(given.data), **more}
        job["rows"] = given.rows or job["rows"]
        job["settings"] = [*runs[key]["settings"], *given.set]
        kept[key] = {**harness.child(script, job), **context, "settings": job["settings"]}
        harness.write(given.results, name, title, page(kept), kept)
