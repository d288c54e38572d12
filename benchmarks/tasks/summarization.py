"""Summarising: DialogSum (English dialogues), and CSL (Chinese abstracts to titles), beside the first sentences.

    python benchmarks/tasks/summarization.py --data FOLDER
    python benchmarks/tasks/summarization.py --data FOLDER --only dialogsum --rows 4000

Every run goes the user's way, ``tunesmith tune``, and is measured on the whole test file (DialogSum's against its three
references). What the model's vocabulary does to a language is told by the run's own notes.
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

RUNS: dict[str, dict[str, Any]] = {
    "dialogsum": {
        "title": "DialogSum, English", "folder": "dialogsum", "model": "flan-t5-small", "rows": 6000, "validation": 200,
        "settings": ["training.epochs=2"], "reference": ("first three turns", (0.306, 0.096, 0.240)),
    },
    "csl_title": {
        "title": "CSL, Chinese abstract to title", "folder": "csl_title", "model": "flan-t5-small", "rows": None,
        "validation": 100, "settings": [], "reference": ("first sentence", (0.331, 0.243, 0.294)),
    },
}  # fmt: skip
"""``rows``: training rows, drawn by the seed (None: all); ``reference``: ROUGE-1, -2 and -L of the data's README."""
METRICS = ("rouge1", "rouge2", "rougeL")
SIDES = {"first-sentence": "first sentence or turn", "lead-3": "first three", "before": "untuned"}


def work(job: dict[str, Any]) -> dict[str, Any]:
    """In the child: ``tunesmith tune``, and what its report says."""
    source = Path(job["data"], job["folder"])
    with tempfile.TemporaryDirectory() as folder:
        files = runs.splits(
            job, Path(folder), "{}.jsonl", lambda split, n: runs.drawn(runs.lines_of(source / f"{split}.jsonl"), n)
        )
        bundle = Path(job["keep"] or Path(folder, "bundle"))
        told = harness.verb("tune", *files, f"model={job['model']}", f"bundle={bundle}", *job["settings"], "--replace")
        report = json.loads((bundle / "report.json").read_text("utf-8"))
    return {**runs.found(told, report), "samples": report["written"]["spread"][:3]}


def main() -> None:
    """The command line."""
    parser = runs.parser(__doc__, RUNS)
    parser.add_argument("--keep", type=Path, help="where the bundle stays")
    given = runs.parsed(parser, rows=64, test_rows=16)
    runs.measure(__file__, "tasks_summarization", "Summarising", RUNS, given, page, keep=given.keep)


def page(kept: dict[str, Any]) -> list[str]:
    """A table for each data set, and texts of it."""
    lines: list[str] = []
    for name, told in RUNS.items():
        if name not in kept:
            continue
        one = kept[name]
        sides = {"before": one["before"], **one["baselines"]}
        rows = [[words, *figures(sides[side]), "-", "-"] for side, words in SIDES.items() if side in sides]
        training = one["training"]
        rows.append(["**tuned**", *figures(one["metrics"]), f"{training['seconds']:,.0f}", f"{one['seconds']:,.0f}"])
        header = ["contender", "ROUGE-1", "ROUGE-2", "ROUGE-L", "length", "repeats", "training s", "whole s"]
        lines += [f"## {told['title']}", "", *harness.table(header, rows), ""]
        lines += [
            f"`{told['model']}`, {one['rows']['train']:,} training rows, {one['rows']['test']:,} test rows, "
            f"{training['samples_per_second']} samples/s; {' '.join(one['settings']) or 'defaults'}.",
            "", verdict(told, one), "",
        ]  # fmt: skip
        for sample in one["samples"]:
            written = sample["written"]
            texts = {"wanted": sample["expected"], "untuned": written.get("before", "-"), "tuned": written["after"]}
            lines += [f"- {side}: {' '.join(text.split())[:300]}" for side, text in texts.items()] + [""]
        lines += [*(f"- {note}" for note in one["notes"]), ""]
    return [*lines, *harness.parts_lines({name: kept[name] for name in RUNS if name in kept})]


def figures(metrics: dict[str, Any]) -> list[str]:
    """ROUGE with intervals, length ratio, repetition."""
    return [
        *(harness.interval(metrics[name]) for name in METRICS),
        *(harness.value(metrics[name]) for name in ("length_ratio", "repetition")),
    ]


def verdict(told: dict[str, Any], one: dict[str, Any]) -> str:
    """Each ROUGE against the data's simple way."""
    how, wanted = told["reference"]
    said = []
    for name, reference in zip(METRICS, wanted, strict=True):
        found = one["metrics"][name]
        above = "above" if found["low"] > reference else "NOT above by its interval"
        said.append(f"{name} {found['value']:.3f} against {reference:.3f}, {above}")
    return f"{how[0].upper()}{how[1:]}, by the data's README: {'; '.join(said)}."


if __name__ == "__main__":
    harness.entry(work, main)
