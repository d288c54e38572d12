"""Three tasks in one mixture against three runs of their own: intents, names and relations over one backbone.

python benchmarks/tasks/mixture.py --data FOLDER

The same training rows (drawn by the seed), epochs and rates for all four runs; whole test files. Wanted: no task more
than 1.5 points under its own run. What was run under the same settings is not run again.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import harness

PARTS: dict[str, dict[str, Any]] = {
    "intents": {"title": "banking77", "folder": "banking77", "suffix": "csv", "task": "text-classification"},
    "names": {"title": "CoNLL-2003", "folder": "conll2003", "suffix": "conll", "task": "token-classification"},
    "relations": {"title": "SemEval-2010 Task 8", "folder": "semeval2010_task8", "suffix": "csv",
                  "task": "relation-extraction", "least": 7500},
}  # fmt: skip
"""``least``: training rows at least; of fewer SemEval has relations in its test file that no training row has."""
LARGEST_LOSS = 0.015


def work(job: dict[str, Any]) -> dict[str, Any]:
    """In the child: one run, of a part or of all."""
    blocks = {name: block(job, name) for name in job["parts"]}
    single = next(iter(blocks.values())) if len(blocks) == 1 else None
    data = {"parts": blocks} if single is None else {key: v for key, v in single.items() if key != "task"}
    recipe = {"data": data, "model": job["model"], "training": {"epochs": job["epochs"]}}
    if single is not None:
        recipe["task"] = single["task"]
    else:
        recipe["task"] = {"temperature": job["temperature"]}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "recipe.yaml")
        path.write_text(json.dumps(recipe), "utf-8")  # JSON is YAML
        command = ["tune", str(path), f"bundle={folder}/bundle", *job["settings"]]
        printed = harness.verb(*command)
        report = json.loads(Path(folder, "bundle", "report.json").read_text("utf-8"))
        size = sum(file.stat().st_size for file in Path(folder, "bundle").glob("*.safetensors"))
    own = report.get("parts") or {job["parts"][0]: report}
    figures = {name: {"metric": one["primary"], **one["metrics"][one["primary"]]} for name, one in own.items()}
    keys = ("seconds", "training", "model")
    return {**{k: printed[k] for k in keys}, "figures": figures, "megabytes": size / 2**20,
            "rows": report["context"]["rows"]}  # fmt: skip


def block(job: dict[str, Any], name: str) -> dict[str, Any]:
    """A part's data."""
    told = PARTS[name]
    files = {
        split: Path(job["data"], told["folder"], f"{split}.{told['suffix']}") for split in ("train", "dev", "test")
    }
    data = {"path": str(files["train"]), "test": str(files["test"]), "task": told["task"]}
    data["limit"] = max(job["rows"], told.get("least", 0))
    return data | ({"validation": str(files["dev"])} if files["dev"].is_file() else {})


def page(kept: dict[str, Any]) -> list[str]:
    """Each part alone and in the mixtures."""
    mixtures = {name: one for name, one in kept.items() if name not in PARTS}
    first = next(iter(mixtures.values()))
    rows = []
    for name, told in PARTS.items():
        alone = kept[name]["figures"][name]
        cells = [f"{told['title']}: {alone['metric']}", harness.interval(alone)]
        for both in mixtures.values():
            mixed = both["figures"][name]
            loss = alone["value"] - mixed["value"]
            cells += [harness.interval(mixed), f"{-100 * loss:+.1f}: {'held' if loss <= LARGEST_LOSS else 'NOT held'}"]
        rows.append([*cells, f"{kept[name]['seconds']:,.0f}"])
    alone_size = sum(kept[name]["megabytes"] for name in PARTS)
    alone_seconds = sum(kept[name]["seconds"] for name in PARTS)
    took = ", ".join(
        f"at {name} {one['seconds']:,.0f} s and {one['megabytes']:.0f} MiB" for name, one in mixtures.items()
    )
    words = (
        f"`{first['model']}`, up to {first['asked']:,} training rows of each set drawn by the seed (SemEval whole), "
        f"{first['epochs']:g} epochs in all runs; wanted: no part more than {100 * LARGEST_LOSS:g} points under its "
        f"own run. The mixture took {took}, the three runs {alone_seconds:,.0f} s and {alone_size:.0f} MiB. A "
        f"temperature above 1 repeats the rows of small parts."
    )
    header = ["part", "alone"]
    for name in mixtures:
        header += [name, "points"]
    return [words, "", *harness.table([*header, "alone, s"], rows), *harness.parts_lines(kept)]


def main() -> None:
    """The command line."""
    parser = harness.parser(__doc__)
    parser.add_argument("--model", default="minilm")
    parser.add_argument("--rows", type=int, default=7500, help="training rows of each part at most")
    parser.add_argument("--epochs", type=float, default=3)
    parser.add_argument("--temperatures", type=float, nargs="+", default=[1.0, 2.0])
    parser.add_argument("--set", nargs="*", default=[], help="overrides for every run")
    given = harness.parse(parser)
    if given.quick:
        given.set = ["training.max_steps=2", "model.max_length=64", *given.set]
    job = {"data": str(given.data), "rows": given.rows, "epochs": given.epochs, "model": given.model,
           "settings": given.set}  # fmt: skip
    path = given.results / "tasks_mixture.json"
    kept: dict[str, Any] = harness.kept(path, {})
    run = harness.context()
    runs = {name: ([name], 1.0) for name in PARTS}
    runs |= {f"temperature {t:g}": (list(PARTS), t) for t in given.temperatures}
    for name, (parts, temperature) in runs.items():
        asked = {"settings": given.set, "asked": given.rows, "epochs": given.epochs}
        if name in kept and all(kept[name][key] == value for key, value in asked.items()):
            continue
        found = harness.child(__file__, {**job, "parts": parts, "temperature": temperature})
        kept[name] = {**found, **run, **asked}
    harness.write(given.results, "tasks_mixture", "Several tasks over one backbone", page(kept), kept)


if __name__ == "__main__":
    harness.entry(work, main)
