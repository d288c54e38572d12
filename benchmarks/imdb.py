"""IMDB, 5,000 training rows: the ladder from the majority over TF-IDF and a CNN-LSTM to tuned encoders.

    python benchmarks/imdb.py --data FOLDER                                   # all contenders
    python benchmarks/imdb.py --data FOLDER --only minilm                     # one; the page joins what there is
    python benchmarks/imdb.py --data FOLDER --only best --best "model=e5-small training.epochs=3"

Chosen on dev.csv, measured on test.csv. Each contender runs in a process of its own; its figures are kept in
``results/imdb.json``, so that a long run can be done in parts.
"""

from __future__ import annotations

import argparse
import shlex
import tempfile
from pathlib import Path
from typing import Any

import harness

TUNED = {"minilm": "model=minilm", "e5-small": "model=e5-small"}
NAMES = {
    "majority": "majority class",
    "tfidf": "TF-IDF + logistic regression",
    "cnn-lstm": "CNN-LSTM from nothing",
    "minilm": "`minilm`",
    "e5-small": "`e5-small`",
    "best": "best recipe",
}
METRICS = ("accuracy", "macro_f1")
WANTED = 0.90


def work(job: dict[str, Any]) -> dict[str, Any]:
    """In the child."""
    with tempfile.TemporaryDirectory() as folder:
        limits = {"train": job["rows"], "dev": job["test_rows"], "test": job["test_rows"]}
        files = {
            name: harness.subset(Path(job["data"], "imdb", f"{name}.csv"), Path(folder, f"{name}.csv"), limit)
            for name, limit in limits.items()
        }
        return cnn_lstm(files, job) if job["contender"] == "cnn-lstm" else tuned(files, job, folder)


def tuned(files: dict[str, Path], job: dict[str, Any], folder: str) -> dict[str, Any]:
    """Tunesmith's figures, and those of the baselines in its report."""
    from tunesmith.pipeline import tune

    overrides = [
        f"data.test={files['test']}",
        f"data.validation={files['dev']}",
        "data.text=text",
        "data.label=label",
        f"bundle={folder}/bundle",
    ]
    report = tune(str(files["train"]), *overrides, *job["overrides"]).report
    about = report["context"]
    return {
        "metrics": {name: report["metrics"][name] for name in METRICS},
        "seconds": report["seconds"],
        "parameters": about["parameters"]["all"],
        "trained": about["parameters"]["trained"],
        "training": about["training"],
        "rows": about["rows"],
        "stages": about["seconds"],
        "verdict": report["verdict"],
        "baselines": {
            key: {"metrics": {name: side["metrics"][name] for name in METRICS}, "seconds": side["seconds"]}
            for key, side in {**report["baselines"], "before": report["before"]}.items()
            if side
        },
    }


def cnn_lstm(files: dict[str, Path], job: dict[str, Any]) -> dict[str, Any]:
    """The network's figures after its last epoch; those of the epoch chosen on dev.csv beside them."""
    from cnn_lstm import run

    parts = [harness.rows_of(files[name]) for name in ("train", "dev", "test")]
    found = run(*parts, epochs=job["epochs"])
    last, best = found.pop("probabilities"), found.pop("best_probabilities")
    return {
        "metrics": measured(parts[2], last),
        "chosen": measured(parts[2], best),
        "seconds": {key: found.pop(key) for key in ("fit", "predict")},
        "parameters": found["parameters"],
        "rows": {name: len(part) for name, part in zip(("train", "validation", "test"), parts, strict=True)},
        "dev_accuracy": found["dev_accuracy"],
    }


def measured(rows: list[dict[str, str]], probabilities: Any) -> dict[str, Any]:
    """Figures with intervals, as Tunesmith measures its own."""
    import numpy as np

    from tunesmith.evaluation.bootstrap import figures

    evidence = {
        "label": np.array([int(row["label"] == "positive") for row in rows]),
        "predicted": (probabilities > 0.5).astype(np.int64),
        "probabilities": np.stack([1 - probabilities, probabilities], axis=1).astype(np.float64),
    }
    return {name: figure.to_json() for name, figure in figures(evidence, METRICS).items()}


def main() -> None:
    """The command line."""
    given = options()
    path = given.results / "imdb.json"
    kept = harness.kept(path, {"contenders": {}})
    run = harness.context()
    for contender in given.only:
        job = {
            "contender": contender,
            "data": str(given.data),
            "rows": given.rows,
            "test_rows": given.test_rows,
            "epochs": given.epochs,
            "overrides": [*shlex.split(given.best if contender == "best" else TUNED.get(contender, "")), *given.set],
        }
        found = harness.child(__file__, job)
        settings = {key: job[key] for key in ("rows", "test_rows", "overrides")}
        kept["contenders"][contender] = {**found, **run, "settings": settings}
        harness.write(given.results, "imdb", "IMDB, the ladder", page(kept["contenders"]), kept)


def options() -> argparse.Namespace:
    parser = harness.parser(__doc__)
    parser.add_argument("--only", nargs="+", choices=["cnn-lstm", *TUNED, "best"], help="these contenders")
    parser.add_argument("--best", default="", help="overrides of the best recipe, as on the command line of tune")
    parser.add_argument("--set", nargs="*", default=[], help="overrides for every tuned contender")
    parser.add_argument("--rows", type=int, help="training rows (default: all)")
    parser.add_argument("--test-rows", type=int, help="test and dev rows (default: all)")
    parser.add_argument("--epochs", type=int, default=10, help="of the CNN-LSTM")
    given = harness.parse(parser)
    given.only = given.only or ["cnn-lstm", *TUNED, *(["best"] if given.best else [])]
    if "best" in given.only and not given.best:
        parser.error('--only best needs --best "model=... training.epochs=..."')
    if given.quick:
        given.rows, given.test_rows, given.epochs = given.rows or 40, given.test_rows or 20, 1
        given.set = ["training.max_steps=2", "model.max_length=32", *given.set]
    return given


def page(contenders: dict[str, Any]) -> list[str]:
    """The table of what there is, the command and machine of each part."""
    tuned = [found for found in contenders.values() if found.get("baselines")]
    sides = dict(contenders)
    if tuned:
        sides |= {key: side for key, side in tuned[0]["baselines"].items() if key in ("majority", "tfidf")}
    rows = [
        [
            NAMES[key],
            harness.interval(sides[key]["metrics"]["accuracy"]),
            harness.interval(sides[key]["metrics"]["macro_f1"]),
            f"{sides[key]['seconds'].get('fit', 0):,.1f}",
            f"{sides[key]['seconds'].get('predict', 0):,.1f}",
            f"{sides[key]['wall']:,.0f}" if "wall" in sides[key] else "-",
            f"{sides[key]['parameters']:,}" if "parameters" in sides[key] else "-",
        ]
        for key in NAMES
        if key in sides
    ]
    counts = next(iter(contenders.values()))["rows"]
    header = ["contender", "accuracy", "macro-F1", "fit s", "predict s", "whole process s", "parameters"]
    about = f"{counts['train']:,} training, {counts['validation']:,} dev and {counts['test']:,} test rows."
    lines = [about, "", *harness.table(header, rows), ""]
    lines += [
        "Intervals: 95%, bootstrap over the test rows. The whole process of a tuned encoder holds imports, its",
        "baselines, the model before tuning, and the proof of the bundle.",
        "",
    ]
    encoders = {key: found["metrics"]["accuracy"]["value"] for key, found in contenders.items() if key != "cnn-lstm"}
    if encoders:
        top = max(encoders, key=lambda key: encoders[key])
        verdict = "met" if encoders[top] >= WANTED else "NOT met"
        lines += [f"- Wanted: accuracy of {WANTED:.2f} or more; {NAMES[top]} has {encoders[top]:.4f}: {verdict}."]
    for key, found in contenders.items():
        if "verdict" in found:
            told = found["verdict"]
            lines.append(f"- {NAMES[key]} ({' '.join(found['settings']['overrides'])}): {told}")
        if "chosen" in found:
            chosen = harness.interval(found["chosen"]["accuracy"])
            lines.append(f"- {NAMES[key]}, at the epoch that is best on the dev rows: accuracy {chosen}.")
    return [*lines, *harness.parts_lines({NAMES[key]: found for key, found in contenders.items()})]


if __name__ == "__main__":
    harness.entry(work, main)
