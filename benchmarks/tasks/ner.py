"""Named entities: CoNLL-2003 (English), CLUENER and resumes (Chinese), through the command line, whole test files.

python benchmarks/tasks/ner.py --data FOLDER
python benchmarks/tasks/ner.py --data FOLDER --only resume_ner --rows 1000
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
    "conll2003": {"title": "CoNLL-2003", "model": "distilbert-cased", "crf": 0.811, "wanted": 0.87, "file": "{}.conll"},
    "cluener": {"title": "CLUENER", "model": "e5-small", "crf": 0.695, "wanted": 0.72, "file": "{}.jsonl"},
    "resume_ner": {"title": "Chinese resumes", "model": "e5-small", "crf": 0.916, "wanted": 0.93, "file": "{}.conll"},
}
"""``crf``: span F1 of a linear-chain CRF on window features, measured for the data's own README."""


def part(folder: Path, pattern: str, split: str, most: int | None, target: Path) -> Path:
    """A split's file; or, of so many sentences drawn by the seed, one made of it."""
    source = folder / pattern.format(split)
    if not source.is_file():
        source = source.with_name(source.name + ".gz")
    if most is None:
        return source
    text = (gzip.decompress(source.read_bytes()) if source.suffix == ".gz" else source.read_bytes()).decode("utf-8")
    gap = "\n" if ".jsonl" in source.name else "\n\n"
    rows = [row for row in text.split(gap) if row.strip()]
    target.write_text(gap.join(random.Random(13).sample(rows, min(most, len(rows)))) + "\n", "utf-8")
    return target


def work(job: dict[str, Any]) -> dict[str, Any]:
    """In the child: ``tunesmith tune``, and what its report says."""
    with tempfile.TemporaryDirectory() as folder:
        source, told = Path(job["data"], job["set"]), SETS[job["set"]]
        limits = {"train": job["rows"], "dev": job["test_rows"], "test": job["test_rows"]}
        files = {
            split: part(source, told["file"], split, most, Path(folder, told["file"].format(split)))
            for split, most in limits.items()
        }
        bundle = Path(folder, "bundle")
        command = [
            "tune", files["train"], f"data.test={files['test']}", f"data.validation={files['dev']}",
            f"model={job['model']}", f"bundle={bundle}", *job["settings"],
        ]  # fmt: skip
        answer = harness.verb(*command)
        report = json.loads((bundle / "report.json").read_text("utf-8"))
        recipe = json.loads((bundle / "tunesmith.json").read_text("utf-8"))["recipe"]
    return {
        **{key: answer[key] for key in ("model", "seconds", "metrics", "before", "baselines", "verdict", "training")},
        "rows": report["context"]["rows"],
        "per_class": report["per_class"],
        "recipe": {key: recipe["training"][key] for key in ("epochs", "batch_size", "learning_rate", "layer_decay")},
    }


def main() -> None:
    """The command line."""
    given = options()
    path = given.results / "tasks_ner.json"
    kept = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    run = harness.context()
    for name in given.only:
        job = {"set": name, "data": str(given.data), "rows": given.rows, "test_rows": given.test_rows}
        job |= {"model": given.model or SETS[name]["model"], "settings": given.set}
        kept[name] = {**harness.child(__file__, job), **run, "settings": given.set}
        harness.write(given.results, "tasks_ner", "Named entities", page(kept), kept)


def options() -> argparse.Namespace:
    parser = harness.parser(__doc__)
    parser.add_argument("--only", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--model", help="for all sets (default: as in SETS)")
    parser.add_argument("--rows", type=int, help="training sentences (default: all)")
    parser.add_argument("--test-rows", type=int, help="test and validation sentences (default: all)")
    parser.add_argument("--set", nargs="*", default=[], help="overrides for every set, training.epochs=2 ...")
    given = harness.parse(parser)
    if given.quick:
        given.rows, given.test_rows = given.rows or 40, given.test_rows or 20
        given.set = ["training.max_steps=2", "model.max_length=64", *given.set]
    return given


def page(kept: dict[str, Any]) -> list[str]:
    """One table of all sets, then what stands behind each line."""
    found = {name: kept[name] for name in SETS if name in kept}
    header = ["set", "untuned", "dictionary", "CRF", "**tuned**", "precision", "recall", "wanted", "command s"]
    rows = [
        [
            SETS[name]["title"], *(f"{side['micro_f1']['value']:.3f}" for side in (one["before"], dictionary(one))),
            f"{SETS[name]['crf']:.3f}", harness.interval(one["metrics"]["micro_f1"]),
            *(f"{one['metrics'][key]['value']:.3f}" for key in ("precision", "recall")),
            f"{SETS[name]['wanted']:.2f}: {reached(name, one)}", f"{one['seconds']:,.0f}",
        ]
        for name, one in found.items()
    ]  # fmt: skip
    about = (
        "Micro-F1 of exact spans, as seqeval counts them. The CRF's is the figure in the data's README. Seconds are "
        "those of the whole command: reading, baseline, untuned model, training, evaluation, report, reload."
    )
    lines = [about, "", *harness.table(header, rows)]
    for name, one in found.items():
        counts, recipe = one["rows"], one["recipe"]
        lines += ["", f"## {SETS[name]['title']}", ""]
        lines += [
            f"`{one['model']}`, {counts['train']:,} training, {counts['validation']:,} validation and "
            f"{counts['test']:,} test sentences; {recipe['epochs']:g} epochs, batch {recipe['batch_size']}, rate "
            f"{recipe['learning_rate']:g}, layer decay {recipe['layer_decay']:g}. Training alone took "
            f"{one['training']['seconds']:,.0f} s ({one['training']['samples_per_second']:.0f} sentences/s). "
            f"{one['verdict']}",
            "",
            *harness.table(["label", "precision", "recall", "F1", "spans"], [label(row) for row in one["per_class"]]),
        ]
    return [*lines, *harness.parts_lines({SETS[name]["title"]: one for name, one in found.items()})]


def dictionary(one: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = one["baselines"]["dictionary"]
    return found


def reached(name: str, one: dict[str, Any]) -> str:
    return "reached" if one["metrics"]["micro_f1"]["value"] >= SETS[name]["wanted"] else "NOT reached"


def label(row: dict[str, Any]) -> list[str]:
    return [
        row["name"],
        *("-" if row[k] is None else f"{row[k]:.3f}" for k in ("precision", "recall", "f1")),
        row["support"],
    ]


if __name__ == "__main__":
    harness.entry(work, main)
