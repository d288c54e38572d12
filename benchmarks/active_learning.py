"""Active learning simulated: accuracy against labels spent, each choice against random.

    python benchmarks/active_learning.py --data FOLDER

The labels of the training rows are hidden. Each round takes a batch of rows by one choice, learns of their labels, and
fits a linear head on the frozen encoder's vectors, which are computed once: a round takes seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import harness
import numpy as np

SETS = {"banking77": ("minilm", "label"), "cmid_medical_intent": ("e5-small", "label")}
START = 100
"""Rows drawn at random before the first choice, the same for all."""


def work(job: dict[str, Any]) -> dict[str, Any]:
    """In the child: all rounds of all choices on one set and seed."""
    train, test, wanted, held = _data(job)
    curves = {}
    for by in job["choices"]:
        curves[by] = simulated(train, wanted, test, held, by, job["batch"], job["rounds"], job["seed"])
    spent = [min(len(train), START + i * job["batch"]) for i in range(job["rounds"] + 1)]
    return {"curves": curves, "spent": spent, "rows": len(train), "test_rows": len(test)}


def simulated(
    train: Any, wanted: Any, test: Any, held: Any, by: str, batch: int, rounds: int, seed: int
) -> list[float]:
    """Test accuracy after the first rows and after each round.

    Args:
        train: vectors [rows, width]; ``wanted`` int [rows], their classes.
        test: vectors [any, width]; ``held`` their classes.
        by: a name in ``search.active.CHOICES``.
        batch: labels a round.
        rounds: how many.
        seed: of the first rows and of what is drawn.
    """
    from tunesmith.models.heads.logistic import fitted
    from tunesmith.search.active import Pool, choose

    classes = int(max(wanted.max(), held.max())) + 1
    known = np.random.default_rng(seed).permutation(len(train))[:START]
    found = []
    for step in range(rounds + 1):
        weight, bias = fitted(train[known], wanted[known], classes)
        found.append(float(((test @ weight.T + bias).argmax(1) == held).mean()))
        rest = np.setdiff1d(np.arange(len(train)), known)
        if step == rounds or not len(rest):
            continue
        logits = train[rest] @ weight.T + bias
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        decisions = list((p / p.sum(axis=1, keepdims=True))[:, None])
        known = np.concatenate(
            [known, rest[choose(Pool(decisions, train[rest], train[known]), by, batch, seed + step)]]
        )
    return found


def _data(job: dict[str, Any]) -> tuple[Any, Any, Any, Any]:
    """Vectors and classes of the training and test rows."""
    from tunesmith.core.runtime import calm_threads, seed_everything
    from tunesmith.models.build import build
    from tunesmith.models.cache import cache_folder
    from tunesmith.models.features import vectors
    from tunesmith.models.heads.mean import shortened
    from tunesmith.models.load import load_processor
    from tunesmith.models.reference import resolve
    from tunesmith.tasks.text_classification import TextClassification

    calm_threads()
    seed_everything(13)
    name, column = SETS[job["set"]]
    source = Path(job["data"], job["set"])
    files = [harness.rows_of(source / f"{part}.csv", job["limit"]) for part in ("train", "test")]
    rows = [[{"text": row["text"], "label": row[column]} for row in some] for some in files]
    names = sorted({row["label"] for some in rows for row in some})
    task, reference = TextClassification(), resolve(name)
    task.learn([*rows[0], *rows[1]])
    processor, model = load_processor(reference), build(reference, task)
    made = []
    for some in rows:
        features = task.encode(some, processor, max_length=128, targets=False)
        with shortened(model):
            of_windows = vectors(
                model, features, lambda chosen: task.collate(chosen, processor),
                folder=cache_folder("features"), model_hash=f"{reference.content_hash}|mean|128",
            )  # fmt: skip
        first = np.unique([feature["row"] for feature in features], return_index=True)[1]
        unit = np.asarray(of_windows)[first]
        made.append(unit / np.linalg.norm(unit, axis=1, keepdims=True))
    classes = [np.array([names.index(row["label"]) for row in some]) for some in rows]
    return made[0], made[1], classes[0], classes[1]


def main() -> None:
    """The command line."""
    from tunesmith.search.active import CHOICES

    parser = harness.parser(__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--choices", nargs="+", default=list(CHOICES), choices=list(CHOICES))
    parser.add_argument("--batch", type=int, default=100, help="labels a round")
    parser.add_argument("--rounds", type=int, default=9)
    given = harness.parse(parser)
    limit = None
    if given.quick:
        limit, given.seeds, given.batch, given.rounds = 300, [1], 30, 2
    run, runs = harness.context(), []
    base = {"data": str(given.data), "batch": given.batch, "rounds": given.rounds, "limit": limit}
    for name in given.sets:
        for seed in given.seeds:
            job = {**base, "set": name, "seed": seed, "choices": given.choices}
            runs.append({"set": name, "seed": seed, **harness.child(__file__, job)})
    lines = [*harness.context_lines(run), *page(runs)]
    harness.write(given.results, "active_learning", "What to label next", lines, {**run, "runs": runs})


def page(runs: Sequence[dict[str, Any]]) -> list[str]:
    """A table a set: mean accuracy over seeds; the last column is the labels with which random's last is reached."""
    lines: list[str] = []
    for name in dict.fromkeys(run["set"] for run in runs):
        own = [run for run in runs if run["set"] == name]
        spent = own[0]["spent"]
        means = {by: np.mean([run["curves"][by] for run in own], axis=0) for by in own[0]["curves"]}
        goal = means["random"][-1] if "random" in means else None
        rows = [[by, *(f"{value:.3f}" for value in curve), _reached(curve, spent, goal)] for by, curve in means.items()]
        lines += ["", f"## {name}", "", f"{own[0]['rows']} rows to choose from, {own[0]['test_rows']} test rows, "]
        lines += [f"{len(own)} seeds. Accuracy by labels spent.", ""]
        lines += harness.table(["choice", *map(str, spent), "labels to random's last"], rows)
    return lines


def _reached(curve: Any, spent: Sequence[int], goal: float | None) -> str:
    return next((str(n) for n, value in zip(spent, curve, strict=True) if goal is not None and value >= goal), "-")


if __name__ == "__main__":
    harness.entry(work, main)
