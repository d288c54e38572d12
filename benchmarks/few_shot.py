"""Eight labels a class: ``contrastive`` beside the setfit library, with the same encoder, rows and seeds.

    python benchmarks/few_shot.py --data FOLDER
    python benchmarks/few_shot.py --data FOLDER --setfit-python OTHER_VENV/bin/python

Both take turns, each in a process of its own. setfit asks for packages that we do not: give the interpreter of a
virtual environment that has it (1.2.0 runs beside our transformers); without, it is left out. Seconds are those of
training, head included, and not of loading, measuring or saving. A run that was made is not made again.
"""

from __future__ import annotations

import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import harness

SETS = {"banking77": "minilm", "imdb": "minilm", "chnsenticorp_hotel": "e5-small"}
METHODS = {"contrastive": ["training.strategies=[contrastive]"], "head": ["method=head"]}


def work(job: dict[str, Any]) -> dict[str, Any]:
    """In the child: one run of one contender."""
    with tempfile.TemporaryDirectory() as folder:
        return (_setfit if job["contender"] == "setfit" else _tunesmith)(job, folder)


def few(rows: list[dict[str, str]], each: int, seed: int) -> list[dict[str, str]]:
    """So many rows of each class, drawn by the seed."""
    draw = random.Random(seed)
    labels = sorted({row["label"] for row in rows})
    return [row for label in labels for row in draw.sample([row for row in rows if row["label"] == label], each)]


def _rows(job: dict[str, Any]) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    source = Path(job["data"], job["set"])
    train, test = (harness.rows_of(source / f"{name}.csv") for name in ("train", "test"))
    if job["classes"]:
        labels = sorted({row["label"] for row in train})[: job["classes"]]
        train, test = ([row for row in rows if row["label"] in labels] for rows in (train, test))
    if job["test_rows"]:
        test = random.Random(13).sample(test, min(job["test_rows"], len(test)))
    own, held = ([{"text": row["text"], "label": row["label"]} for row in rows] for rows in (train, test))
    return few(own, job["each"], job["seed"]), held


def _tunesmith(job: dict[str, Any], folder: str) -> dict[str, Any]:
    from tunesmith.pipeline import tune

    train, test = (
        harness.write_rows(Path(folder, name), rows)
        for name, rows in zip(("few.csv", "held.csv"), _rows(job), strict=True)
    )
    bundle = tune(
        str(train), f"data.test={test}", "data.split.validation=0", "data.clean.duplicates=false",
        f"model={SETS[job['set']]}", f"bundle={folder}/bundle", "evaluation.baselines=false",
        f"training.seed={job['seed']}", *METHODS[job["contender"]], *job["overrides"],
    )  # fmt: skip
    report = bundle.report
    return {"accuracy": report["metrics"]["accuracy"]["value"], "seconds": report["context"]["seconds"]["train"]}


def _setfit(job: dict[str, Any], folder: str) -> dict[str, Any]:
    """With its own defaults but for the length, which is that of our windows."""
    import datasets
    import numpy as np
    from setfit import SetFitModel, Trainer, TrainingArguments

    train, test = _rows(job)
    model = SetFitModel.from_pretrained(job["encoder"])
    model.model_body.max_seq_length = 256
    arguments = TrainingArguments(output_dir=folder, batch_size=16, num_epochs=1, seed=job["seed"], **job["setfit"])
    labelled = datasets.Dataset.from_list(train)
    trainer = Trainer(model=model, args=arguments, train_dataset=labelled)
    start = time.perf_counter()
    trainer.train()
    seconds = time.perf_counter() - start
    found = np.asarray(model.predict([row["text"] for row in test]))
    return {"accuracy": float(np.mean(found == np.array([row["label"] for row in test]))), "seconds": seconds}


def main() -> None:
    """The command line."""
    parser = harness.parser(__doc__)
    parser.add_argument("--each", type=int, default=8, help="labels a class")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--contenders", nargs="+", default=[*METHODS, "setfit"], choices=[*METHODS, "setfit"])
    parser.add_argument("--setfit-python", default=sys.executable, help="an interpreter that has setfit")
    parser.add_argument("--test-rows", type=int, help="drawn by the seed 13, the same for all (default: all)")
    parser.add_argument("--classes", type=int, help="the first so many by name (default: all)")
    given = harness.parse(parser)
    base: dict[str, Any] = {"data": str(given.data), "each": given.each, "classes": given.classes}
    base["test_rows"] = given.test_rows
    base |= {"overrides": [], "setfit": {"num_iterations": 20}}
    if given.quick:
        given.seeds, given.sets = [1], given.sets[:1]
        base |= {"classes": 3, "test_rows": 30, "overrides": ["training.max_steps=2"], "setfit": {"max_steps": 2}}
    if "setfit" in given.contenders and not _has_setfit(given.setfit_python):
        print("setfit is not installed there, and is left out: see --setfit-python", file=sys.stderr)
        given.contenders.remove("setfit")
    path = given.results / "few_shot.json"
    run = harness.context()
    runs: list[dict[str, Any]] = harness.kept(path, {"runs": []})["runs"]
    for name in given.sets:
        encoder = _encoder(SETS[name])
        for seed in given.seeds:
            for contender in given.contenders:
                job = {**base, "set": name, "seed": seed, "contender": contender, "encoder": encoder}
                if any(_shown(job).items() <= done.items() for done in runs):
                    continue
                python = given.setfit_python if contender == "setfit" else sys.executable
                runs.append({**_shown(job), **harness.child(__file__, job, python=python)})
                lines = [*harness.context_lines(run), "", *page(runs), *harness.busy_note(runs)]
                harness.write(given.results, "few_shot", f"{given.each} labels a class", lines, {**run, "runs": runs})


def page(runs: list[dict[str, Any]]) -> list[str]:
    rows = []
    for key in dict.fromkeys((run["set"], run["contender"]) for run in runs):
        own = [run for run in runs if (run["set"], run["contender"]) == key]
        accuracies = [run["accuracy"] for run in own]
        spread = statistics.stdev(accuracies) if len(own) > 1 else 0.0
        seconds = statistics.median(run["seconds"] for run in own)
        about = f"{key[0]}, {own[0]['classes']} classes" if own[0]["classes"] else key[0]
        rows.append([about, key[1], f"{statistics.mean(accuracies):.3f} ± {spread:.3f}", f"{seconds:.1f}", len(own)])
    header = ["set", "contender", "accuracy, mean ± deviation over seeds", "seconds of training, median", "seeds"]
    return harness.table(header, rows)


def _shown(job: dict[str, Any]) -> dict[str, Any]:
    return {key: job[key] for key in ("set", "contender", "seed", "each", "classes", "test_rows")}


def _encoder(name: str) -> str:
    from tunesmith.models.reference import resolve

    return str(resolve(name).path)


def _has_setfit(python: str) -> bool:
    return subprocess.run([python, "-c", "import setfit"], capture_output=True).returncode == 0


if __name__ == "__main__":
    harness.entry(work, main)
