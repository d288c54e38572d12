"""Multiple choice: CommonsenseQA (English, no text to read) and C3 (Chinese reading), choices read apart and together.

    python benchmarks/tasks/choices.py --data FOLDER
    python benchmarks/tasks/choices.py --data FOLDER --only c3/apart

Every run goes the user's way, ``tunesmith tune``, and is measured on the whole test file. C3's training and dev files
are drawn from by the seed.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
import runs
from runs import harness

SETS: dict[str, dict[str, Any]] = {
    "commonsenseqa": {
        "title": "CommonsenseQA, English, five choices", "model": "minilm", "floor": 0.206, "random": 0.200,
    },
    "c3": {"title": "C3, Chinese reading, two to four choices", "model": "e5-small", "floor": 0.417, "random": 0.272},
}  # fmt: skip
"""``floor``: the figure of the data set's page, the longest choice or bigram overlap."""
RUNS: dict[str, dict[str, Any]] = {
    "commonsenseqa/apart": {"length": 128, "rows": None, "validation": None, "settings": []},
    "commonsenseqa/together": {"length": 128, "rows": None, "validation": None, "settings": []},
    "c3/apart": {"length": 256, "rows": 3000, "validation": 500, "settings": []},
    "c3/together": {"length": 256, "rows": 2000, "validation": 500, "settings": []},
}
"""``rows``: training rows, drawn by the seed; ``length``: tokens in a window."""


def work(job: dict[str, Any]) -> dict[str, Any]:
    """In the child: ``tunesmith tune``, and what its report says."""
    source = Path(job["data"], job["set"])
    with tempfile.TemporaryDirectory() as folder:
        files = runs.splits(
            job, Path(folder), "{}.jsonl", lambda split, n: runs.drawn(runs.lines_of(source / f"{split}.jsonl"), n)
        )
        bundle = Path(folder, "bundle")
        told = harness.verb(
            "tune", *files, "task=multiple-choice", f"model={job['model']}", f"model.max_length={job['length']}",
            f"task.reading={job['reading']}", f"bundle={bundle}", *job["settings"],
        )  # fmt: skip
        report = json.loads((bundle / "report.json").read_text("utf-8"))
    return {**runs.found(told, report), "length": job["length"]}


def main() -> None:
    """The command line."""
    given = runs.parsed(runs.parser(__doc__, RUNS), rows=40, test_rows=20)
    every = {}
    for name, told in RUNS.items():
        data, reading = name.split("/")
        validation = given.rows or told["validation"]
        every[name] = {**SETS[data], **told, "set": data, "reading": reading, "validation": validation}
    runs.measure(__file__, "tasks_choices", "Multiple choice", every, given, page)


def page(kept: dict[str, Any]) -> list[str]:
    """A table for each data set."""
    lines: list[str] = []
    for data, told in SETS.items():
        runs = {name.split("/")[1]: kept[name] for name in RUNS if name in kept and name.startswith(data)}
        if not runs:
            continue
        first = next(iter(runs.values()))
        overlap = first["baselines"]["overlap"]["accuracy"]
        rows = [["overlap (without a text: the longest choice)", harness.interval(overlap), "-", "-", "-"]]
        for reading, one in runs.items():
            untuned = f"{sum(one['parts']['before'].values()):,.1f}"
            rows.append([f"untuned, {reading}", harness.interval(one["before"]["accuracy"]), "-", "-", untuned])
        for reading, one in runs.items():
            train, training = one["rows"]["train"], one["training"]["seconds"]
            accuracy = harness.interval(one["metrics"]["accuracy"])
            rows.append([f"**tuned, {reading}**", accuracy, f"{train:,}", f"{training:,.0f}", f"{one['seconds']:,.0f}"])
        lines += [f"## {told['title']}", ""]
        lines += harness.table(["contender", "accuracy", "training rows", "training s", "whole s"], rows)
        about = "; ".join(
            f"{r}: windows of {o['length']} tokens {' '.join(o['settings'])}".rstrip() for r, o in runs.items()
        )
        lines += [
            "",
            f"`{told['model']}`, {first['rows']['test']:,} test rows. {about}. Choosing blindly: {told['random']:.3f}.",
        ]
        lines += ["", verdict(told, runs), ""]
    return [*lines, *harness.parts_lines({name: kept[name] for name in RUNS if name in kept})]


def verdict(told: dict[str, Any], runs: dict[str, Any]) -> str:
    best, one = max(runs.items(), key=lambda item: item[1]["metrics"]["accuracy"]["value"])
    found = one["metrics"]["accuracy"]
    words = "above it by more than its interval" if found["low"] > told["floor"] else "NOT above it by its interval"
    return f"To beat: {told['floor']:.3f}. Best, {best}: {found['value']:.3f}, {words}."


if __name__ == "__main__":
    harness.entry(work, main)
