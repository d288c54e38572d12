"""What fairness costs: the gap between groups against the score, ``fair`` off and at several strengths.

    python benchmarks/fairness.py --data FOLDER
    python benchmarks/fairness.py --data FOLDER --sets hate_offensive_en --groups mentions_black --rows 4000

English tweets, by whether they mention women (a word list's guess, and no annotation), and Chinese comments by topic.
``parity_gap`` is the largest difference between groups in how often a class is given, ``odds_gap`` the same among rows
of one true class; both are measured on test rows, at all strengths. The cost is the change of macro F1 against "off" of
the same seed. A run that was made is not made again: the same command goes on.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import harness
from continual import spread
from cross_domain import signed

MODELS = {"hate_offensive_en": "minilm", "cold_offensive_zh": "e5-small"}
GROUPS = {"hate_offensive_en": "mentions_women", "cold_offensive_zh": "topic"}
OFF = "off"
FIGURES = ("macro_f1", "accuracy", "parity_gap", "odds_gap")


def work(job: dict[str, Any]) -> dict[str, Any]:
    """In the child: tune, with the gaps on the test rows."""
    import tunesmith

    with tempfile.TemporaryDirectory() as name:
        folder, strategies = Path(name), []
        for part, limit, seed in (("train", job["rows"], job["seed"]), ("test", job["test_rows"], 13)):
            harness.write_rows(folder / f"{part}.csv", rows_of(job, part, limit, seed))
        if job["weight"] != OFF:
            strategies = [{"name": "fair", "criterion": job["criterion"], "weight": job["weight"]}]
        recipe = {
            "data": {"path": str(folder / "train.csv"), "test": str(folder / "test.csv"), "group": "group"},
            "model": {"name": job["model"], "max_length": job["max_length"]},
            "method": job["method"],
        }
        fixed = [f"training.seed={job['seed']}", f"training.epochs={job['epochs']}", "evaluation.baselines=false"]
        bundle = tunesmith.tune(
            recipe, *fixed, *job["settings"], bundle=str(folder / "bundle"), training={"strategies": strategies}
        )
        report = bundle.report
        return {
            "figures": {key: report["metrics"][key] for key in FIGURES if key in report["metrics"]},
            "groups": [{key: group[key] for key in ("group", "rows", "accuracy")} for group in report["groups"]],
            "left": report["context"].get("strategies", {}).get("fair", {}).get("gap"),
            "rows": report["context"]["rows"],
            "seconds": report["context"]["training"]["seconds"],
        }


def rows_of(job: dict[str, Any], part: str, limit: int, seed: int) -> list[dict[str, str]]:
    """Rows of a set with their group, drawn by the seed. A column of 0 and 1 becomes two names."""
    column = job["group"]
    names = {"1": column.removeprefix("mentions_"), "0": f"no {column.removeprefix('mentions_')}"}
    rows = harness.rows_of(Path(job["data"], job["set"], f"{part}.csv"))
    chosen = random.Random(seed).sample(rows, min(limit, len(rows)))
    return [{"text": r["text"], "label": r["label"], "group": names.get(r[column], r[column])} for r in chosen]


def page(kept: Mapping[str, Any]) -> list[str]:
    """A table a set: means over seeds, their range, and differences from "off" of the same seed."""
    lines: list[str] = []
    for name, weights in kept["sets"].items():
        runs = [run for seeds in weights.values() for run in seeds.values()]
        if not runs:
            continue
        groups = ", ".join(f"{group['group']} {group['rows']:,}" for group in runs[0]["groups"])
        about = f"{runs[0]['rows']['train']:,} training rows, {runs[0]['rows']['test']:,} test rows ({groups})"
        keys = [key for key in FIGURES if key in runs[0]["figures"]]
        header = ["weight", "seeds", *(f"{key} (against off)" for key in keys), "gap left in training", "s"]
        rows = [cells(weight, weights, keys) for weight in weights if weights[weight]]
        lines += ["", f"## {name}: {about}, {MODELS[name]}", "", *harness.table(header, rows)]
    note = "Means over seeds, least and largest in brackets; then the difference from off, paired by seed. Gaps: less "
    return [*lines, "", note + "is fairer. Gap left: of mean probabilities between groups, on the training rows."]


def cells(weight: str, weights: Mapping[str, Mapping[str, Any]], keys: list[str]) -> list[Any]:
    """A strength's line."""
    own, off, found = weights[weight], weights.get(OFF, {}), []
    for key in keys:
        values = {seed: run["figures"][key]["value"] for seed, run in own.items()}
        cell = spread(list(values.values()))
        apart = [value - off[seed]["figures"][key]["value"] for seed, value in values.items() if seed in off]
        found.append(f"{cell} ({signed(apart)})" if apart and weight != OFF else cell)
    left = [run["left"] for run in own.values() if run["left"] is not None]
    seconds = sum(run["seconds"] for run in own.values()) / len(own)
    return [weight, len(own), *found, spread(left) if left else "-", f"{seconds:.0f}"]


def main() -> None:
    """The command line."""
    given = options()
    path = given.results / "fairness.json"
    names = ("rows", "test_rows", "epochs", "max_length", "method", "criterion", "groups", "set")
    settings = {key: getattr(given, key) for key in names}
    kept = harness.kept(path, {"settings": settings, "sets": {}})
    if kept["settings"] != settings:
        raise SystemExit(f"{path} has runs of other settings: {kept['settings']}. Give those, or another --results.")
    kept["context"] = harness.context()
    for seed in given.seeds:  # all strengths of a seed before the next: a table that is cut short is still fair
        for place, name in enumerate(given.sets):
            for weight in [OFF, *given.weights]:
                told = weight if weight == OFF else f"{weight:g}"
                done = kept["sets"].setdefault(name, {}).setdefault(told, {})
                if str(seed) in done:
                    continue
                job = {"set": name, "weight": weight, "seed": seed, "data": str(given.data), "model": MODELS[name]}
                job |= {key: settings[key] for key in names if key not in ("groups", "set")}
                group = given.groups[place] if given.groups else GROUPS[name]
                done[str(seed)] = harness.child(__file__, {**job, "group": group, "settings": given.set})
                write(given, kept)
    write(given, kept)


def write(given: argparse.Namespace, kept: dict[str, Any]) -> None:
    """The page and its figures."""
    runs = [run for weights in kept["sets"].values() for seeds in weights.values() for run in seeds.values()]
    told = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in kept["settings"].items() if value)
    lines = [*harness.context_lines(kept["context"]), "", f"Settings: {told}.", *page(kept), *harness.busy_note(runs)]
    harness.write(given.results, "fairness", "Fairness: gap against score", lines, kept)


def options() -> argparse.Namespace:
    """The command line's."""
    parser = harness.parser(__doc__)
    parser.add_argument("--sets", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--groups", nargs="+", help="the groups' column of each of --sets")
    parser.add_argument("--weights", nargs="+", type=float, default=[5.0, 25.0], help="strengths of fair")
    parser.add_argument("--criterion", default="equalized_odds", choices=["equalized_odds", "demographic_parity"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[13, 14, 15])
    parser.add_argument("--rows", type=int, default=1000, help="training rows")
    parser.add_argument("--test-rows", type=int, default=1000)
    parser.add_argument("--epochs", type=float, default=2)
    parser.add_argument("--max-length", type=int, default=64, help="tokens of a window")
    parser.add_argument("--method", default="full")
    parser.add_argument("--set", nargs="*", default=[], help="overrides for every run, training.batch_size=32 ...")
    given = harness.parse(parser)
    if given.quick:
        given.seeds, given.weights, given.rows, given.test_rows, given.max_length = [13], [5.0], 120, 60, 32
        given.set = ["training.max_steps=2", *given.set]
    if given.groups and len(given.groups) != len(given.sets):
        parser.error("--groups names one column for each of --sets")
    return given


if __name__ == "__main__":
    harness.entry(work, main)
