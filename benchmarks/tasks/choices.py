"""Multiple choice: CommonsenseQA (English, no text to read) and C3 (Chinese reading), choices read apart and together.

    python benchmarks/tasks/choices.py --data FOLDER
    python benchmarks/tasks/choices.py --data FOLDER --only c3/apart

Every run goes the user's way, ``tunesmith tune``, and is measured on the whole test file. C3's training and dev files
are drawn from by the seed.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import harness

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
FOLDERS = {"commonsenseqa": "commonsenseqa/{}.jsonl", "c3": "c3/{}.jsonl.gz"}


def lines_of(path: Path, limit: int | None) -> list[str]:
    """Rows of a JSON lines file, packed or not; with ``limit``, so many drawn by the seed, in the file's order."""
    opened: Any = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as file:
        lines = file.read().splitlines()
    if limit is None or limit >= len(lines):
        return lines
    return [lines[i] for i in sorted(random.Random(13).sample(range(len(lines)), limit))]


def work(job: dict[str, Any]) -> dict[str, Any]:
    """In the child: ``tunesmith tune``, and what its report says."""
    with tempfile.TemporaryDirectory() as folder:
        files = {}
        for split, limit in (("train", job["rows"]), ("dev", job["validation"]), ("test", job["test_rows"])):
            files[split] = Path(folder, f"{split}.jsonl")
            rows = lines_of(Path(job["data"], FOLDERS[job["set"]].format(split)), limit)
            files[split].write_text("\n".join(rows) + "\n", "utf-8")
        bundle = Path(folder, "bundle")
        command = [
            "tune", files["train"], "task=multiple-choice",
            f"data.test={files['test']}", f"data.validation={files['dev']}",
            f"model={job['model']}", f"model.max_length={job['length']}", f"task.reading={job['reading']}",
            f"bundle={bundle}", *job["settings"],
        ]  # fmt: skip
        told = harness.verb(*command)
        report = json.loads((bundle / "report.json").read_text("utf-8"))
    keys = ("model", "seconds", "metrics", "before", "baselines", "verdict", "parity", "training")
    parts = {"before": report["before"]["seconds"], **{k: s["seconds"] for k, s in report["baselines"].items()}}
    return {**{key: told[key] for key in keys}, "rows": report["context"]["rows"], "parts": parts}


def main() -> None:
    """The command line."""
    given = options()
    path = given.results / "tasks_choices.json"
    kept = harness.kept(path, {})
    run = harness.context()
    for name in given.only:
        data, reading = name.split("/")
        told = {**SETS[data], **RUNS[name], "set": data, "reading": reading, "test_rows": given.test_rows}
        if given.rows:
            told |= {"rows": given.rows, "validation": given.rows}
        told["settings"] = [*RUNS[name]["settings"], *given.set]
        made = harness.child(__file__, {**told, "data": str(given.data)})
        kept[name] = {**made, **run, "settings": told["settings"], "length": told["length"]}
        harness.write(given.results, "tasks_choices", "Multiple choice", page(kept), kept)


def options() -> argparse.Namespace:
    parser = harness.parser(__doc__)
    parser.add_argument("--only", nargs="+", choices=list(RUNS), default=list(RUNS))
    parser.add_argument("--rows", type=int, help="training and dev rows (default: as in RUNS)")
    parser.add_argument("--test-rows", type=int, help="test rows (default: all)")
    parser.add_argument("--set", nargs="*", default=[], help="overrides for every run, training.epochs=2 ...")
    given = harness.parse(parser)
    if given.quick:
        given.rows, given.test_rows = given.rows or 40, given.test_rows or 20
        given.set = ["training.max_steps=2", *given.set]
    return given


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
