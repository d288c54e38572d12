"""Translation: Multi30k captions, English to German, and Tatoeba's sentences, English to Chinese.

    python benchmarks/tasks/translation.py --data FOLDER
    python benchmarks/tasks/translation.py --data FOLDER --only multi30k --rows 4000

Every run goes the user's way, ``tunesmith tune``, and is measured on the whole test file, greedily, as the bundle
answers.
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
    """Lines of a table without quotes: a header, and two columns; ``limit`` of them, by the seed."""
    header, *lines = runs.lines_of(path)
    places = [header.split("\t").index(side) for side in sides]
    rows = ["\t".join(line.split("\t")[i] for i in places) for line in lines]
    return ["\t".join(sides), *runs.drawn(rows, limit)]


def work(job: dict[str, Any]) -> dict[str, Any]:
    """In the child: ``tunesmith tune``, and what its report says."""
    place, (source, target) = Path(job["data"], job["folder"]), job["sides"]
    with tempfile.TemporaryDirectory() as folder:
        files = runs.splits(
            job, Path(folder), "{}.tsv", lambda split, n: rows_of(place / f"{split}.tsv", (source, target), n)
        )
        bundle = Path(job["keep"] or Path(folder, "bundle"))
        told = harness.verb(
            "tune", *files, "task=translation", f"data.text={source}", f"data.target={target}",
            f"task.source_language={source}", f"task.target_language={target}", f"model={job['model']}",
            f"bundle={bundle}", *job["settings"], "--replace",
        )  # fmt: skip
        report = json.loads((bundle / "report.json").read_text("utf-8"))
        samples = harness.verb("predict", bundle, *SAMPLES)["predictions"]
    samples = [[asked, one["text"]] for asked, one in zip(SAMPLES, samples, strict=True)]
    return {**runs.found(told, report), "samples": samples}


SAMPLES = ["A dog is running on the beach.", "Two children are eating ice cream.", "I don't know where he lives."]


def main() -> None:
    """The command line."""
    parser = runs.parser(__doc__, RUNS)
    parser.add_argument("--keep", type=Path, help="where the bundle stays")
    given = runs.parsed(parser, rows=64, test_rows=16)
    runs.measure(__file__, "tasks_translation", "Translation", RUNS, given, page, keep=given.keep)


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
