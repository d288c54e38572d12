"""Each strategy on and off, three seeds, on the set where its paper says that it helps, made small.

    python benchmarks/strategies.py --data FOLDER
    python benchmarks/strategies.py --data FOLDER --only typos few

Adversaries are measured on banking77's test questions as they are and with typing errors in them; what helps with few
rows on 8 questions per class; what helps with uneven classes on classes thinned to 1/k of their rows and on CLUENER's
tags; distillation on encoders of fewer layers; multi_task on intents and names together. A run that was made is not
made again: the same command goes on. Differences from "off" are paired by seed.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import harness

Files = dict[str, Any]
OFF = "off"
MODELS = {"en": "minilm", "zh": "e5-small"}
TYPOS = 0.3
"""Share of a question's words that get an error."""

SETS: dict[str, dict[str, Any]] = {
    "typos": {
        "title": "banking77, 16 per class; accuracy on clean questions and with typing errors",
        "runs": {
            OFF: [], "fgm": ["fgm"], "pgd": ["pgd"], "freelb": ["freelb"], "neftune": ["neftune"],
            "r_drop": ["r_drop"],
        },
    },
    "few": {
        "title": "banking77, 8 per class; accuracy",
        "runs": {
            OFF: [], "supcon": ["supcon"], "ema": ["ema"], "swa": ["swa"], "l2_sp": ["l2_sp"],
            "label_smoothing": ["label_smoothing"], "r_drop": ["r_drop"], "neftune": ["neftune"],
        },
    },
    "uneven": {
        "title": "banking77, classes thinned by rank; macro F1",
        "runs": {
            OFF: [], "unweighted": [], "focal": ["focal"], "class_weights": ["class_weights"],
            "focal, weighted": [{"name": "focal", "power": 0.5}],
        },
    },
    "tags": {
        "title": "CLUENER, 800 sentences; F1 of spans",
        "runs": {
            OFF: [], "focal": ["focal"], "class_weights": ["class_weights"], "label_smoothing": ["label_smoothing"],
            "ema": ["ema"], "fgm": ["fgm"],
        },
    },
    "smaller": {
        "title": "banking77, students of 3 layers taught by 6; accuracy",
        "runs": {OFF: [], "distill": ["distill"], "distill, hidden": [{"name": "distill", "hidden": 1.0}]},
    },
    "together": {
        "title": "banking77 and CoNLL-2003 in one model; mean of macro F1 and F1 of spans",
        "runs": {OFF: [], "pcgrad": ["multi_task"], "uncertainty": [{"name": "multi_task", "balance": "uncertainty"}]},
    },
}  # fmt: skip


def some_of_each(rows: list[dict[str, str]], counts: Callable[..., int], seed: int) -> list[dict[str, str]]:
    """``counts(rank, rows)`` rows of the class of each rank (by name), drawn by the seed."""
    own: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in rows:
        own[row["label"]].append(row)
    draw = random.Random(seed)
    chosen = [
        row for rank, label in enumerate(sorted(own)) for row in draw.sample(own[label], counts(rank, own[label]))
    ]
    draw.shuffle(chosen)
    return chosen


def intents(job: dict[str, Any], folder: Path, counts: Callable[..., int]) -> Files:
    """banking77 with so many rows a class."""
    source = Path(job["data"], "banking77")
    rows = harness.rows_of(source / "train.csv")
    classes = sorted({row["label"] for row in rows})[: job["classes"]]
    rows = [row for row in rows if row["label"] in classes]
    test = [row for row in harness.rows_of(source / "test.csv") if row["label"] in classes]
    return {
        "path": str(harness.write_rows(folder / "train.csv", some_of_each(rows, counts, job["seed"]))),
        "test": str(
            harness.write_rows(folder / "test.csv", random.Random(13).sample(test, min(job["test"], len(test))))
        ),
    }


def tags(job: dict[str, Any], folder: Path, name: str) -> Files:
    """A set of tagged sentences, some of them."""
    source = Path(job["data"], name)
    return {
        "path": str(harness.part(source / "train.conll", folder / "train.conll", job["sentences"], job["seed"])),
        "test": str(harness.part(source / "test.conll", folder / "test.conll", job["test"])),
    }


def fewer_layers(name: str, folder: Path, every: int) -> str:
    """An encoder of each ``every``-th layer of a model's, as a folder."""
    from torch import nn
    from transformers import AutoModel, AutoTokenizer

    from tunesmith.models.reference import resolve

    path = resolve(name).path
    model = AutoModel.from_pretrained(path)
    model.encoder.layer = nn.ModuleList(list(model.encoder.layer)[::every])
    model.config.num_hidden_layers = len(model.encoder.layer)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(path).save_pretrained(folder)
    return str(folder)


def recipe_of(job: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A run's recipe; its files are written."""
    few: dict[str, Callable[..., int]] = {
        "typos": lambda rank, rows: 16,
        "few": lambda rank, rows: 8,
        "smaller": lambda rank, rows: 16,
        "together": lambda rank, rows: 8,
        "uneven": lambda rank, rows: max(3, len(rows) // (rank + 1)),
    }
    name, recipe = job["set"], {"model": MODELS["zh" if job["set"] == "tags" else "en"]}
    if name == "tags":
        return {**recipe, "data": tags(job, folder, "cluener"), "task": "token-classification"}
    data = intents(job, folder, few[name])
    if name == "together":
        (folder / "names").mkdir()
        names = tags(job, folder / "names", "conll2003")
        parts = {"intents": {**data, "task": "text-classification"}, "names": {**names, "task": "token-classification"}}
        return {**recipe, "data": {"parts": parts}}
    task = {"name": "text-classification", **({"class_weights": "none"} if job["run"] == "unweighted" else {})}
    return {**recipe, "data": data, "task": task}


def work(job: dict[str, Any]) -> dict[str, Any]:
    """In the child: tune, and measure what the set is about."""
    import tunesmith

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recipe = recipe_of(job, folder)
        strategies = [{"name": s} if isinstance(s, str) else dict(s) for s in job["strategies"]]
        fixed = [f"training.seed={job['seed']}", "evaluation.baselines=false", *job["settings"]]
        if job["set"] == "smaller":
            teacher = tunesmith.tune(recipe, *fixed, bundle=str(folder / "teacher"))
            recipe["model"] = fewer_layers(recipe["model"], folder / "student", 2)
            strategies = [{**s, "teacher": str(teacher.path)} for s in strategies]
        bundle = tunesmith.tune(recipe, *fixed, bundle=str(folder / "bundle"), training={"strategies": strategies})
        found = {key: figure["value"] for key, figure in bundle.report["metrics"].items()}
        if job["set"] == "typos":
            found["with typos"] = with_typos(bundle, Path(recipe["data"]["test"]))
        return {
            "figures": found,
            "seconds": bundle.report["context"]["training"]["seconds"],
            "primary": bundle.report["primary"],
        }


def with_typos(bundle: Any, test: Path) -> float:
    """Accuracy on the test rows with errors of typing, the same for every run."""
    from tunesmith.data.augment.typos import Typos

    errors, rows = Typos(rate=TYPOS), harness.rows_of(test)
    texts = [errors.rewrite(row["text"], random.Random(f"13/{i}")) for i, row in enumerate(rows)]
    answers = bundle.predict(texts)
    return sum(answer["label"] == row["label"] for answer, row in zip(answers, rows, strict=True)) / len(rows)


def shown(name: str) -> tuple[str, ...]:
    """The figures of a set's table."""
    return {
        "typos": ("accuracy", "with typos"),
        "few": ("accuracy",),
        "smaller": ("accuracy",),
        "uneven": ("macro_f1", "accuracy"),
        "tags": ("micro_f1", "macro_f1"),
    }.get(name, ("intents/macro_f1", "names/micro_f1"))


def page(kept: dict[str, Any]) -> list[str]:
    """A table a set: means over seeds, differences from "off" of the same seed, seconds of training."""
    lines: list[str] = []
    for name, told in SETS.items():
        runs = {run: kept.get(name, {}).get(run, {}) for run in told["runs"]}
        if not any(runs.values()):
            continue
        header = ["strategy", "seeds", *(f"{key} (difference)" for key in shown(name)), "s"]
        rows = [line(run, runs, shown(name)) for run in runs if runs[run]]
        lines += ["", f"## {told['title']}", "", *harness.table(header, rows)]
    return lines


def line(run: str, runs: dict[str, Any], keys: Sequence[str]) -> list[Any]:
    """A run's cells."""
    mine = runs[run]
    cells = []
    for key in keys:
        values = {seed: one["figures"][key] for seed, one in mine.items()}
        apart = [v - runs[OFF][seed]["figures"][key] for seed, v in values.items() if seed in runs[OFF]]
        cell = f"{statistics.fmean(values.values()):.3f}"
        if apart and run != OFF:
            cell += f" ({statistics.fmean(apart):+.3f}; {min(apart):+.3f} to {max(apart):+.3f})"
        cells.append(cell)
    return [run, len(mine), *cells, f"{statistics.fmean(one['seconds'] for one in mine.values()):.0f}"]


def main() -> None:
    """The command line."""
    given = options()
    path = given.results / "strategies.json"
    kept = harness.kept(path, {"sets": {}})
    kept["context"] = harness.context()
    for seed in given.seeds:  # all strategies of a seed before the next: a table that is cut short is still fair
        for name in given.only:
            for run, strategies in SETS[name]["runs"].items():
                done = kept["sets"].setdefault(name, {}).setdefault(run, {})
                if str(seed) in done or (given.runs and run not in (OFF, *given.runs)):
                    continue
                job = {"set": name, "run": run, "strategies": strategies, "seed": seed, "data": str(given.data)}
                job |= {"test": given.test_rows, "sentences": given.sentences, "classes": given.classes}
                done[str(seed)] = harness.child(__file__, {**job, "settings": given.set})
                write(given, kept)
    write(given, kept)


def write(given: argparse.Namespace, kept: dict[str, Any]) -> None:
    lines = [*harness.context_lines(kept["context"]), *page(kept["sets"])]
    harness.write(given.results, "strategies", "Strategies, on and off", lines, kept)


def options() -> argparse.Namespace:
    parser = harness.parser(__doc__)
    parser.add_argument("--only", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--runs", nargs="*", help="strategies, by their names in SETS (default: all)")
    parser.add_argument("--seeds", nargs="+", type=int, default=[13, 14, 15])
    parser.add_argument("--classes", type=int, default=77, help="of banking77")
    parser.add_argument("--sentences", type=int, default=800, help="training sentences of the tagged sets")
    parser.add_argument("--test-rows", type=int, default=1500)
    parser.add_argument("--set", nargs="*", default=[], help="overrides for every run, training.epochs=2 ...")
    given = harness.parse(parser)
    if given.quick:
        given.seeds, given.classes, given.sentences, given.test_rows = [13], 4, 24, 24
        given.set = ["training.max_steps=2", "model.max_length=48", *given.set]
    return given


if __name__ == "__main__":
    harness.entry(work, main)
