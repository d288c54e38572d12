"""Translation: Multi30k captions, English to German, and Tatoeba's sentences, English to Chinese.

    python benchmarks/tasks/translation.py --data FOLDER
    python benchmarks/tasks/translation.py --data FOLDER --only multi30k --rows 4000

Every run goes the user's way, ``tunesmith tune``, and is measured on the whole test file, greedily, as the bundle
answers.
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

RUNS: dict[str, dict[str, Any]] = {
    "multi30k": {
        "title": "Multi30k 2016, English to German", "folder": "multi30k", "sides": ("en", "de"),
        "model": "flan-t5-small", "rows": None, "validation": 300,
        "settings": ["training.epochs=2"], "reference": 9.79, "wanted": 20.0,
    },
    "tatoeba": {
        "title": "Tatoeba, English to Chinese", "folder": "tatoeba_en_zh", "sides": ("en", "zh"),
        "model": "flan-t5-small", "rows": None, "validation": 300, "settings": [], "reference": 14.42, "wanted": None,
    },
}  # fmt: skip
"""``rows``: training rows, drawn by the seed (None: all); ``reference``: the nearest neighbour's BLEU in the data's
README."""
SIDES = {"copy": "the English itself", "nearest-target": "nearest neighbour (TF-IDF)", "before": "untuned"}


def rows_of(path: Path, sides: tuple[str, str], limit: int | None) -> list[str]:
    """Lines of a table without quotes, packed or not: a header, and two columns; ``limit`` of them, by the seed."""
    found = path if path.is_file() else path.with_name(path.name + ".gz")
    opened: Any = gzip.open if found.suffix == ".gz" else open
    with opened(found, "rt", encoding="utf-8") as file:
        header, *lines = file.read().splitlines()
    places = [header.split("\t").index(side) for side in sides]
    rows = ["\t".join(line.split("\t")[i] for i in places) for line in lines]
    if limit is not None and limit < len(rows):
        rows = [rows[i] for i in sorted(random.Random(13).sample(range(len(rows)), limit))]
    return ["\t".join(sides), *rows]


def work(job: dict[str, Any]) -> dict[str, Any]:
    """In the child: ``tunesmith tune``, and what its report says."""
    with tempfile.TemporaryDirectory() as folder:
        files = {}
        for split, limit in (("train", job["rows"]), ("dev", job["validation"]), ("test", job["test_rows"])):
            files[split] = Path(folder, f"{split}.tsv")
            lines = rows_of(Path(job["data"], job["folder"], f"{split}.tsv"), tuple(job["sides"]), limit)
            files[split].write_text("\n".join(lines) + "\n", "utf-8")
        bundle = Path(job["keep"] or Path(folder, "bundle"))
        source, target = job["sides"]
        command = [
            "tune", files["train"], "task=translation", f"data.text={source}", f"data.target={target}",
            f"task.source_language={source}", f"task.target_language={target}", f"data.test={files['test']}",
            f"data.validation={files['dev']}", f"model={job['model']}", f"bundle={bundle}", *job["settings"],
            "--replace",
        ]  # fmt: skip
        told = harness.verb(*command)
        report = json.loads((bundle / "report.json").read_text("utf-8"))
        samples = harness.verb("predict", bundle, *job["samples"])["predictions"] if job["samples"] else []
    keys = ("model", "seconds", "metrics", "before", "baselines", "verdict", "parity", "training", "notes")
    sides = {"before": report["before"], **report["baselines"]}
    return {
        **{key: told[key] for key in keys},
        "rows": report["context"]["rows"],
        "stages": report["context"]["seconds"],
        "parts": {name: side["seconds"] for name, side in sides.items()},
        "samples": [[asked, one["text"]] for asked, one in zip(job["samples"], samples, strict=True)],
    }


SAMPLES = ["A dog is running on the beach.", "Two children are eating ice cream.", "I don't know where he lives."]


def main() -> None:
    """The command line."""
    given = options()
    path = given.results / "tasks_translation.json"
    kept = harness.kept(path, {})
    run = harness.context()
    for name in given.only:
        told = {**RUNS[name], "test_rows": given.test_rows, "keep": given.keep, "samples": SAMPLES}
        if given.rows:
            told |= {"rows": given.rows}
        told["settings"] = [*RUNS[name]["settings"], *given.set]
        made = harness.child(__file__, {**told, "data": str(given.data)})
        kept[name] = {**made, **run, "settings": told["settings"]}
        harness.write(given.results, "tasks_translation", "Translation", page(kept), kept)


def options() -> argparse.Namespace:
    parser = harness.parser(__doc__)
    parser.add_argument("--only", nargs="+", choices=list(RUNS), default=list(RUNS))
    parser.add_argument("--rows", type=int, help="training rows (default: as in RUNS)")
    parser.add_argument("--test-rows", type=int, help="test rows (default: all)")
    parser.add_argument("--keep", type=Path, help="where the bundle stays")
    parser.add_argument("--set", nargs="*", default=[], help="overrides for every run, training.epochs=2 ...")
    given = harness.parse(parser)
    if given.quick:
        given.rows, given.test_rows = given.rows or 64, given.test_rows or 16
        given.set = ["training.max_steps=2", *given.set]
    return given


def page(kept: dict[str, Any]) -> list[str]:
    """A table for each data set."""
    lines: list[str] = []
    for name, told in RUNS.items():
        if name not in kept:
            continue
        one = kept[name]
        sides = {"before": one["before"], **one["baselines"]}
        rows = [
            [words, *figures(sides[side]), "-", f"{sum(one['parts'][side].values()):,.0f}"]
            for side, words in SIDES.items()
            if side in sides
        ]
        training = one["training"]
        rows.append(["**tuned**", *figures(one["metrics"]), f"{training['seconds']:,.0f}", f"{one['seconds']:,.0f}"])
        header = ["contender", "BLEU", "chrF", "perplexity", "length ratio", "training s", "whole s"]
        lines += [f"## {told['title']}", "", *harness.table(header, rows), ""]
        lines += [
            f"`{told['model']}`, {one['rows']['train']:,} training rows, {one['rows']['test']:,} test rows, "
            f"{training['samples_per_second']} samples/s; {' '.join(one['settings']) or 'defaults'}. sacreBLEU.",
            "", verdict(told, one), "",
        ]  # fmt: skip
        lines += [f"- {asked} → {text}" for asked, text in one["samples"]]
        lines += ["", *(f"- {note}" for note in one["notes"]), ""]
    return [*lines, *harness.parts_lines({name: kept[name] for name in RUNS if name in kept})]


def figures(metrics: dict[str, Any]) -> list[str]:
    """BLEU and chrF with intervals, perplexity, length ratio."""
    both = [f"{metrics[m]['value']:.1f} [{metrics[m]['low']:.1f}, {metrics[m]['high']:.1f}]" for m in ("bleu", "chrf")]
    return [*both, *(harness.value(metrics[m]) for m in ("perplexity", "length_ratio"))]


def verdict(told: dict[str, Any], one: dict[str, Any]) -> str:
    """Against what was wanted, or the nearest neighbour."""
    found = one["metrics"]["bleu"]
    if told["wanted"] is not None:
        reached = "reached" if found["value"] >= told["wanted"] else "NOT reached"
        return f"Wanted: BLEU {told['wanted']:.0f}. Found: {found['value']:.1f}, {reached}."
    above = "above it by more than its interval" if found["low"] > told["reference"] else "NOT above it by its interval"
    return f"Nearest neighbour: {told['reference']:.1f}. Found: {found['value']:.1f}, {above}."


if __name__ == "__main__":
    harness.entry(work, main)
