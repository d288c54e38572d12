"""``tunesmith tune`` on a data set's own files, in a process of its own; and what it said."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import harness

SPLITS = {"train": "", "test": "data.test=", "dev": "data.validation="}


def tuned(job: dict[str, Any]) -> dict[str, Any]:
    """Tune as the command line does.

    Args:
        job: ``folder`` (the set's), ``pattern`` of its files ("{}.csv"), ``rows`` and ``test_rows`` (None: all),
            ``model``, ``settings`` (overrides). ``first``: the same of another set, to start from what learned that.
    """
    with tempfile.TemporaryDirectory() as folder:
        before = _tune({**job, **job["first"]}, Path(folder, "first")) if job.get("first") else None
        model = str(Path(folder, "first", "bundle")) if before else job["model"]
        answer = _tune({**job, "model": model}, Path(folder, "own"))
        bundle = Path(folder, "own", "bundle")
        report = json.loads((bundle / "report.json").read_text("utf-8"))
        recipe = json.loads((bundle / "tunesmith.json").read_text("utf-8"))["recipe"]
    told = ("task", "model", "seconds", "metrics", "before", "baselines", "verdict", "parity", "training")
    return {
        **{key: answer[key] for key in told},
        **({"model": before["model"], "first": {"seconds": before["seconds"]}} if before else {}),
        "rows": report["context"]["rows"],
        "per_class": report["per_class"],
        "stages": report["seconds"],
        "recipe": {key: recipe["training"][key] for key in ("epochs", "batch_size", "learning_rate", "layer_decay")},
    }


def _tune(job: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What the command printed; the bundle is in the folder."""
    folder.mkdir()
    command = ["tune", *(f"{key}{file}" for key, file in files(job, folder))]
    return harness.verb(*command, f"model={job['model']}", f"bundle={folder / 'bundle'}", *job["settings"])


def files(job: dict[str, Any], folder: Path) -> list[tuple[str, Path]]:
    """What stands before each split's file on the command line, and the file; or a smaller one made of it."""
    found = []
    for split, key in SPLITS.items():
        name = job["pattern"].format(split)
        most = job["rows"] if split == "train" else job["test_rows"]
        if any(Path(job["folder"]).glob(f"{name}*")):
            found.append((key, harness.part(Path(job["folder"], name), folder / name, most)))
    return found


def options(about: str | None, sets: dict[str, Any]) -> argparse.Namespace:
    """The options of a script whose sets are ``sets``."""
    parser = harness.parser(about)
    parser.add_argument("--only", nargs="+", choices=list(sets), default=list(sets))
    parser.add_argument("--rows", type=int, help="training rows (default: all)")
    parser.add_argument("--test-rows", type=int, help="test and validation rows (default: all)")
    parser.add_argument("--set", nargs="*", default=[], help="overrides for every run, training.epochs=2 ...")
    given = harness.parse(parser)
    if given.quick:
        given.rows, given.test_rows = given.rows or 600, given.test_rows or 40
        given.set = ["training.max_steps=2", "model.max_length=64", *given.set]
    return given


def measure(script: str, name: str, title: str, sets: dict[str, Any], given: argparse.Namespace, page: Any) -> None:
    """Run the chosen sets one after the other; write the page after each, beside what earlier runs found.

    Args:
        script: the caller's ``__file__``, whose ``work`` is ``tuned``.
        name: of the results.
        sets: name -> ``folder``, ``pattern``, ``model``, ``settings``.
        page: name -> figures -> lines.
    """
    path = given.results / f"{name}.json"
    kept = harness.kept(path, {})
    run = harness.context()
    for key in given.only:
        one = sets[key]
        job = {"folder": str(given.data / one["folder"]), "pattern": one["pattern"], "model": one["model"]}
        job |= {"rows": given.rows, "test_rows": given.test_rows}
        job["settings"] = [*one.get("settings", []), *given.set]
        if first := one.get("first"):
            own = {"folder": str(given.data / first["folder"]), "settings": [*first.get("settings", []), *given.set]}
            job["first"] = {**first, **own}
        kept[key] = {**harness.child(script, job), **run, "settings": job["settings"]}
        harness.write(given.results, name, title, page({key: kept[key] for key in sets if key in kept}), kept)


def about_run(one: dict[str, Any]) -> str:
    """Model, rows, settings and time of a run, in a sentence or two."""
    counts, recipe = one["rows"], one["recipe"]
    return (
        f"`{one['model']}`, {counts['train']:,} training, {counts['validation']:,} validation and {counts['test']:,} "
        f"test rows; {recipe['epochs']:g} epochs, batch {recipe['batch_size']}, rate {recipe['learning_rate']:g}, "
        f"layer decay {recipe['layer_decay']:g}. Training alone took {one['training']['seconds']:,.0f} s "
        f"({one['training']['samples_per_second']:.0f} rows/s). {one['verdict']}"
    )
